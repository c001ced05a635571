//! Layers over a film, painted pixel by pixel.

use super::{Map, MarkedBox, Outcome, blend, fill, text};
use image::{Luma, Rgb, RgbImage, imageops};

/// Share of the film that an area hides.
const AREA: f32 = 0.42;
/// Share of the film that the greatest attention hides.
const HEAT: f32 = 0.62;
/// Number of pixels across a contour, and a box's line.
const LINE: f32 = 3.0;
/// Lengths that are painted and left out of a dashed line, in pixels.
const DASH: [f32; 2] = [11.0, 7.0];
/// Height of a box's label.
const LABEL: f32 = 15.0;

/// Normalises a map: divides by the greatest value; values below 0, and not finite, become 0.
pub(super) fn normalised(mut map: Map) -> Map {
    map.pixels_mut().for_each(|p| p.0[0] = if p.0[0].is_finite() { p.0[0].max(0.0) } else { 0.0 });
    let most = map.pixels().map(|p| p.0[0]).fold(0.0, f32::max);
    if most > 0.0 {
        map.pixels_mut().for_each(|p| p.0[0] /= most);
    }
    map
}

/// Stretches the map to the picture's size.
fn stretched(map: &Map, picture: &RgbImage, filter: imageops::FilterType) -> Map {
    match map.is_empty() {
        true => Map::new(picture.width(), picture.height()),
        false => imageops::resize(map, picture.width(), picture.height(), filter),
    }
}

/// Colours where the map is above one half.
pub(super) fn area(picture: &mut RgbImage, map: &Map, colour: Rgb<u8>) {
    let map = stretched(map, picture, imageops::FilterType::Triangle);
    for (x, y, Luma([v])) in map.enumerate_pixels() {
        // Steep about one half, so that edges are sharp but not jagged.
        blend(picture, x.into(), y.into(), colour, AREA * ((v - 0.5) * 4.0 + 0.5).clamp(0.0, 1.0));
    }
}

/// Draws the line along which the map passes one half.
pub(super) fn contour(picture: &mut RgbImage, map: &Map, colour: Rgb<u8>) {
    // A little blur gives the map a slope on both sides of the line, and rounds pixel corners.
    let map = imageops::blur(&stretched(map, picture, imageops::FilterType::Triangle), 1.6);
    let (width, height) = map.dimensions();
    let at = |x: u32, y: u32| map.get_pixel(x.min(width - 1), y.min(height - 1)).0[0];
    for y in 0..height {
        for x in 0..width {
            let across = at(x + 1, y) - at(x.saturating_sub(1), y);
            let down = at(x, y + 1) - at(x, y.saturating_sub(1));
            let slope = (across.hypot(down) / 2.0).max(1e-3);
            let distance = (at(x, y) - 0.5).abs() / slope;
            blend(picture, x.into(), y.into(), colour, (LINE + 1.0) / 2.0 - distance);
        }
    }
}

/// Colours by attention; where there is little, the film stays as it is.
pub(super) fn heat(picture: &mut RgbImage, map: &Map) {
    let map = stretched(map, picture, imageops::FilterType::CatmullRom);
    for (x, y, Luma([v])) in map.enumerate_pixels() {
        blend(picture, x.into(), y.into(), turbo(*v), hidden(*v));
    }
}

/// Share of the film that attention of this strength hides.
fn hidden(attention: f32) -> f32 {
    HEAT * (attention / 0.4).clamp(0.0, 1.0)
}

/// Paints attention from none to most over grey, as a legend shows it.
pub(super) fn scale(picture: &mut RgbImage, [x1, y1, x2, y2]: [f32; 4]) {
    fill(picture, [x1, y1, x2, y2], Rgb([90; 3]), 1.0);
    for x in 0..(x2 - x1) as u32 {
        let attention = x as f32 / (x2 - x1);
        let left = x1 + x as f32;
        fill(picture, [left, y1, left + 1.0, y2], turbo(attention), hidden(attention));
    }
}

/// The colour of a share of 1, from blue through green and yellow to red: Mikhailov's polynomials
/// for Google's Turbo.
fn turbo(share: f32) -> Rgb<u8> {
    const POLYNOMIALS: [[f32; 6]; 3] = [
        [0.135_721_4, 4.615_392_6, -42.660_32, 132.131_08, -152.942_4, 59.286_38],
        [0.091_402_61, 2.194_188_4, 4.842_966_6, -14.185_033, 4.277_298_6, 2.829_566],
        [0.106_673_3, 12.641_946, -60.582_05, 110.362_77, -89.903_11, 27.348_25],
    ];
    // The dark ends would hide the film.
    let share = 0.1 + 0.77 * share.clamp(0.0, 1.0);
    Rgb(POLYNOMIALS.map(|p| {
        let value = p.iter().rev().fold(0.0, |sum, coefficient| sum * share + coefficient);
        (value * 255.0).clamp(0.0, 255.0).round() as u8
    }))
}

/// Draws boxes of a film that is shown `scale` times as large; those that were found last.
pub(super) fn boxes(picture: &mut RgbImage, boxes: &[MarkedBox], scale: f32) {
    let mut drawn: Vec<&MarkedBox> = boxes.iter().collect();
    drawn.sort_by_key(|b| b.outcome == Outcome::Found);
    for b in &drawn {
        let corners = b.corners.map(|corner| corner * scale);
        let dashed = b.outcome == Outcome::Missed;
        outline(picture, corners, LINE + 2.0, Rgb([0; 3]), 0.45, dashed);
        outline(picture, corners, LINE, b.outcome.colour(), 1.0, dashed);
    }
    for b in drawn.iter().filter(|b| !b.label.is_empty()) {
        label(picture, b, scale);
    }
}

/// Paints lines about the edge of a rectangle.
pub(super) fn outline(
    picture: &mut RgbImage,
    [x1, y1, x2, y2]: [f32; 4],
    line: f32,
    colour: Rgb<u8>,
    alpha: f32,
    dashed: bool,
) {
    let half = line / 2.0;
    let [on, off] = if dashed { DASH } else { [f32::MAX, 0.0] };
    let mut along = |from: f32, to: f32, place: &dyn Fn(f32, f32) -> [f32; 4]| {
        let mut at = from;
        while at < to {
            fill(picture, place(at, (at + on).min(to)), colour, alpha);
            at += on + off;
        }
    };
    for y in [y1, y2] {
        along(x1 - half, x2 + half, &|from, to| [from, y - half, to, y + half]);
    }
    for x in [x1, x2] {
        along(y1 + half, y2 - half, &|from, to| [x - half, from, x + half, to]);
    }
}

/// Writes a box's label above it, or within where there is no room.
fn label(picture: &mut RgbImage, b: &MarkedBox, scale: f32) {
    let [x1, y1, ..] = b.corners.map(|corner| corner * scale);
    let (width, height) = (text::width(&b.label, LABEL) + 8.0, LABEL + 5.0);
    let x = (x1 - LINE / 2.0).min(picture.width() as f32 - width).max(0.0);
    let above = y1 - LINE / 2.0 - height;
    let y = if above >= 0.0 { above } else { y1 + LINE / 2.0 };
    fill(picture, [x, y, x + width, y + height], b.outcome.colour(), 0.92);
    text::write(picture, [x + 4.0, y + LABEL], LABEL, Rgb([10, 14, 18]), &b.label);
}
