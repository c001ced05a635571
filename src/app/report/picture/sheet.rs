//! Sheets of pictures side by side with words about them: films as rows, such as initialisations as
//! columns.

use super::{GREEN, Layer, MarkedBox, Outcome, Picture, RED, fill, layer, png, text};
use image::{GenericImage, Rgb, RgbImage};
use mtpret_engine::{error::Result, file};
use std::{io::Write, path::Path};

const INK: Rgb<u8> = Rgb([31, 42, 54]);
const SOFT: Rgb<u8> = Rgb([84, 98, 112]);
const RIGHT: Rgb<u8> = Rgb([0, 114, 76]);
const WRONG: Rgb<u8> = Rgb([190, 62, 0]);

/// Distance about the sheet, and between its cells.
const MARGIN: f32 = 24.0;
const GAP: f32 = 14.0;
/// Sizes of text, and the heights that their lines take.
const TITLE: f32 = 26.0;
const TEXT: f32 = 19.0;
const LINE: f32 = 28.0;
/// Greatest height of a picture, as a share of its width.
const TALL: f32 = 1.3;

/// A picture of a sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetCell {
    /// The film and what lies over it.
    pub picture: Picture,
    /// Caption below the picture, such as a probability or a Dice; may be empty.
    pub caption: String,
    /// Whether the caption is right, which colours and ticks it.
    pub right: Option<bool>,
}

/// A row of a sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetRow {
    /// Name above the row, such as what is true of the film; may be empty.
    pub name: String,
    /// Cells, one a column, `None` where there is none.
    pub cells: Vec<Option<SheetCell>>,
}

/// A labelled grid of pictures. Its legend says what the colours in it mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Title at the top; may be empty.
    pub title: String,
    /// Names above the columns, such as initialisations.
    pub columns: Vec<String>,
    /// Rows from top to bottom.
    pub rows: Vec<SheetRow>,
    /// Note at the bottom, such as where the films come from; may be empty.
    pub note: String,
    /// Number of pixels across a picture.
    pub cell: u32,
}

/// An entry of a legend.
enum LegendKey {
    Line(Rgb<u8>, &'static str),
    Area(Rgb<u8>, &'static str),
    Box(Outcome),
    Heat,
}

impl Sheet {
    /// Draws the whole sheet.
    #[must_use]
    pub fn draw(&self) -> RgbImage {
        let cell = self.cell.max(16);
        let columns = self.columns.len().max(1);
        let rows: Vec<Vec<Option<RgbImage>>> = self.rows.iter().map(|r| self.pictures(r)).collect();
        let width = 2.0 * MARGIN + columns as f32 * (cell as f32 + GAP) - GAP;
        let legend = self.legend(width - 2.0 * MARGIN);
        let legend_lines = legend.last().map_or(0.0, |(_, [_, line])| line + 1.0);
        let note = wrapped(&self.note, width - 2.0 * MARGIN);
        let title = wrapped(&self.title, (width - 2.0 * MARGIN) * TEXT / TITLE);
        let top = MARGIN + title.len() as f32 * 1.4 * LINE;
        let heads = self.columns.iter().any(|name| !name.is_empty());
        let mut y = top + if heads { LINE + 4.0 } else { 0.0 };
        let mut tops = Vec::new();
        for (row, pictures) in self.rows.iter().zip(&rows) {
            let tallest = pictures.iter().flatten().map(RgbImage::height).max().unwrap_or(0);
            y += if row.name.is_empty() { 0.0 } else { LINE };
            tops.push((y, tallest as f32));
            y += tallest as f32 + GAP + if row.has_captions() { LINE } else { 0.0 };
        }
        let foot = y + 4.0;
        let height = foot + (legend_lines + note.len() as f32) * LINE + MARGIN - GAP;
        let mut sheet = RgbImage::from_pixel(width as u32, height.ceil() as u32, Rgb([255; 3]));

        for (l, line) in title.iter().enumerate() {
            let at = [MARGIN, MARGIN + TITLE * 0.8 + l as f32 * 1.4 * LINE];
            text::write(&mut sheet, at, TITLE, INK, line);
        }
        let left = |column: usize| MARGIN + column as f32 * (cell as f32 + GAP);
        for (c, name) in self.columns.iter().enumerate() {
            centred(&mut sheet, [left(c), top + TEXT], cell as f32, INK, name);
        }
        for ((row, pictures), (y, tallest)) in self.rows.iter().zip(&rows).zip(tops) {
            let name = text::shorten(&row.name, width - 2.0 * MARGIN, TEXT);
            text::write(&mut sheet, [MARGIN, y - 9.0], TEXT, SOFT, &name);
            for (c, (cell_of, picture)) in row.cells.iter().zip(pictures).enumerate() {
                let (Some(cell_of), Some(picture)) = (cell_of, picture) else { continue };
                let dx = (cell - picture.width()) as f32 / 2.0;
                let dy = (tallest - picture.height() as f32) / 2.0;
                sheet
                    .copy_from(picture, (left(c) + dx) as u32, (y + dy) as u32)
                    .expect("the sheet has room for its pictures");
                let (colour, tick) = match cell_of.right {
                    None => (INK, ""),
                    Some(true) => (RIGHT, " ✓"),
                    Some(false) => (WRONG, " ✗"),
                };
                let at = [left(c), y + tallest + TEXT + 3.0];
                centred(&mut sheet, at, cell as f32, colour, &(cell_of.caption.clone() + tick));
            }
        }
        for (key, [x, line]) in &legend {
            key.draw(&mut sheet, [MARGIN + x, foot + line * LINE]);
        }
        for (l, line) in note.iter().enumerate() {
            let y = foot + (legend_lines + l as f32) * LINE + TEXT;
            text::write(&mut sheet, [MARGIN, y], TEXT * 0.9, SOFT, line);
        }
        sheet
    }

    fn pictures(&self, row: &SheetRow) -> Vec<Option<RgbImage>> {
        let cell = self.cell.max(16);
        let tall = (cell as f32 * TALL) as u32;
        let draw = |c: &Option<SheetCell>| c.as_ref().map(|c| c.picture.draw(cell, tall));
        row.cells.iter().take(self.columns.len().max(1)).map(draw).collect()
    }

    /// Entries for the colours that the pictures have, and their places: x and line.
    fn legend(&self, width: f32) -> Vec<(LegendKey, [f32; 2])> {
        let cells = self.rows.iter().flat_map(|row| row.cells.iter().flatten());
        let layers: Vec<&Layer> = cells.flat_map(|cell| &cell.picture.layers).collect();
        let has = |kind: fn(&Layer) -> bool| layers.iter().any(|layer| kind(layer));
        let mut keys = Vec::new();
        if has(|l| matches!(l, Layer::Contour(_))) {
            keys.push(LegendKey::Line(GREEN, "reference"));
        }
        if has(|l| matches!(l, Layer::Area(_))) {
            keys.push(LegendKey::Area(RED, "prediction"));
        }
        let unjudged = |b: &MarkedBox| b.outcome == Outcome::Unjudged;
        let mut boxes = layers.iter().filter_map(|layer| match layer {
            Layer::Boxes(boxes) => Some(boxes),
            _ => None,
        });
        if boxes.clone().any(|boxes| !boxes.iter().any(unjudged)) {
            keys.extend(Outcome::JUDGED.map(LegendKey::Box));
        }
        if boxes.any(|boxes| boxes.iter().any(unjudged)) {
            keys.push(LegendKey::Box(Outcome::Unjudged));
        }
        if has(|l| matches!(l, Layer::Heat(_))) {
            keys.push(LegendKey::Heat);
        }
        let (mut x, mut line) = (0.0, 0.0);
        let place = |key: LegendKey| {
            let entry = key.width();
            if x > 0.0 && x + entry > width {
                (x, line) = (0.0, line + 1.0);
            }
            let at = [x, line];
            x += entry + 2.0 * GAP;
            (key, at)
        };
        keys.into_iter().map(place).collect()
    }

    /// Writes the sheet as a PNG file.
    ///
    /// # Errors
    /// [`mtpret_engine::Error::Io`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        file::replace(path, |file| file.write_all(&png(&self.draw())))
    }
}

impl SheetRow {
    fn has_captions(&self) -> bool {
        self.cells.iter().flatten().any(|cell| !cell.caption.is_empty())
    }
}

impl LegendKey {
    fn text(&self) -> &'static str {
        match self {
            Self::Line(_, text) | Self::Area(_, text) => text,
            Self::Box(outcome) => outcome.name(),
            Self::Heat => "attention, none to most",
        }
    }

    /// Width of the sample beside the text.
    fn sample(&self) -> f32 {
        if matches!(self, Self::Heat) { 120.0 } else { 30.0 }
    }

    fn width(&self) -> f32 {
        self.sample() + 8.0 + text::width(self.text(), TEXT)
    }

    fn draw(&self, sheet: &mut RgbImage, [x, y]: [f32; 2]) {
        let sample = [x, y + 5.0, x + self.sample(), y + 21.0];
        match self {
            Self::Line(colour, _) => fill(sheet, [x, y + 11.0, x + 30.0, y + 15.0], *colour, 1.0),
            Self::Area(colour, _) => fill(sheet, sample, *colour, 0.6),
            Self::Box(outcome) => {
                let dashed = *outcome == Outcome::Missed;
                layer::outline(sheet, sample, 3.0, outcome.colour(), 1.0, dashed);
            }
            Self::Heat => layer::scale(sheet, sample),
        }
        text::write(sheet, [x + self.sample() + 8.0, y + TEXT], TEXT, INK, self.text());
    }
}

fn centred(sheet: &mut RgbImage, [x, y]: [f32; 2], width: f32, colour: Rgb<u8>, text: &str) {
    let text = text::shorten(text, width, TEXT);
    let x = x + (width - text::width(&text, TEXT)) / 2.0;
    text::write(sheet, [x, y], TEXT, colour, &text);
}

/// Wraps a text into lines that are at most `width` long, cut between words.
fn wrapped(text: &str, width: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text::width(&format!("{line} {word}"), TEXT) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
