//! Pictures of films with what was found on them, as PNG: contours, areas, boxes, attention.

mod layer;
pub mod seen;
mod sheet;
mod text;

pub use sheet::{Sheet, SheetCell, SheetRow};

use super::html::LegendEntry;
use image::{
    EncodableLayout, GrayImage, ImageBuffer, ImageFormat, Luma, PixelWithColorType, Rgb, RgbImage,
    imageops,
};
use std::io::Cursor;

/// Colour of what is true: a reference contour, a box that was found.
const GREEN: Rgb<u8> = Rgb([48, 219, 118]);
/// Colour of what a model says of a mask, and of a box that is not there.
const RED: Rgb<u8> = Rgb([242, 54, 54]);
/// Colour of a box that was not found.
const YELLOW: Rgb<u8> = Rgb([255, 205, 40]);

/// Colour of a box of which nobody knows whether it is there.
const BLUE: Rgb<u8> = Rgb([64, 178, 255]);

/// Map of numbers over a whole film, of whatever resolution: a mask of 0 and 1, or attention.
pub type Map = ImageBuffer<Luma<f32>, Vec<f32>>;

/// Outcome of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Box that is there and was found.
    Found,
    /// Box that was found but is not there.
    False,
    /// Box that is there but was not found.
    Missed,
    /// Box that was found, of a film of which nothing is known.
    Unjudged,
}

impl Outcome {
    /// Outcomes on films whose boxes are known.
    const JUDGED: [Self; 3] = [Self::Found, Self::False, Self::Missed];

    fn colour(self) -> Rgb<u8> {
        match self {
            Self::Found => GREEN,
            Self::False => RED,
            Self::Missed => YELLOW,
            Self::Unjudged => BLUE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Found => "found (true positive)",
            Self::False => "not there (false positive)",
            Self::Missed => "missed (false negative)",
            Self::Unjudged => "predicted",
        }
    }
}

/// Meanings of the colours of [`Picture::segmentation`], for a page.
#[must_use]
pub fn mask_keys() -> Vec<LegendEntry> {
    vec![key(GREEN, false, "reference"), key(RED, false, "prediction")]
}

/// Meanings of the colours of [`Picture::detection`], for a page.
#[must_use]
pub fn box_keys() -> Vec<LegendEntry> {
    let of = |outcome: Outcome| key(outcome.colour(), outcome == Outcome::Missed, outcome.name());
    Outcome::JUDGED.map(of).into()
}

fn key(Rgb([r, g, b]): Rgb<u8>, dashed: bool, text: &'static str) -> LegendEntry {
    LegendEntry { colour: format!("rgb({r} {g} {b})"), dashed, text }
}

/// The bytes of a picture's PNG file.
///
/// # Panics
/// If memory ends.
#[must_use]
pub fn png<P>(picture: &ImageBuffer<P, Vec<P::Subpixel>>) -> Vec<u8>
where
    P: PixelWithColorType,
    [P::Subpixel]: EncodableLayout,
{
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("memory takes a picture");
    bytes.into_inner()
}

/// A box on a film.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkedBox {
    /// Left, top, right and bottom in pixels of the film.
    pub corners: [f32; 4],
    /// Outcome of the box.
    pub outcome: Outcome,
    /// Label, such as its class and score; may be empty.
    pub label: String,
}

/// Layer over a film.
#[derive(Debug, Clone, PartialEq)]
enum Layer {
    /// Area where the map is above one half, in red.
    Area(Map),
    /// Contour where the map passes one half, in green.
    Contour(Map),
    /// Contour where the map passes one half, in red.
    Edge(Map),
    Boxes(Vec<MarkedBox>),
    /// Attention from 0 to 1, from none through blue and yellow to red.
    Heat(Map),
}

/// Film and the layers over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    film: GrayImage,
    layers: Vec<Layer>,
}

impl Picture {
    /// A picture of the film alone.
    #[must_use]
    pub fn film(film: GrayImage) -> Self {
        Self { film, layers: Vec::new() }
    }

    /// A picture of the predicted mask as a red area below the contour of the reference in green,
    /// as the paper's Fig. 6.
    #[must_use]
    pub fn segmentation(film: GrayImage, reference: Map, prediction: Map) -> Self {
        Self { film, layers: vec![Layer::Area(prediction), Layer::Contour(reference)] }
    }

    /// A picture of the predicted mask alone, as a red area with its contour.
    #[must_use]
    pub fn mask(film: GrayImage, prediction: Map) -> Self {
        Self { film, layers: vec![Layer::Area(prediction.clone()), Layer::Edge(prediction)] }
    }

    /// A picture of boxes in the colours of their outcomes.
    #[must_use]
    pub fn detection(film: GrayImage, boxes: Vec<MarkedBox>) -> Self {
        Self { film, layers: vec![Layer::Boxes(boxes)] }
    }

    /// A picture of where a model looks, as the paper's Fig. 5; the map is divided by its greatest
    /// value.
    #[must_use]
    pub fn attention(film: GrayImage, map: Map) -> Self {
        Self { film, layers: vec![Layer::Heat(layer::normalised(map))] }
    }

    /// Draws the picture, as large as fits into `width` and `height` at the film's proportions.
    #[must_use]
    pub fn draw(&self, width: u32, height: u32) -> RgbImage {
        let [w, h] = [self.film.width(), self.film.height()].map(|side| f64::from(side.max(1)));
        let scale = (f64::from(width) / w).min(f64::from(height) / h);
        let [width, height] = [w, h].map(|side| ((side * scale).round() as u32).max(1));
        let film = match self.film.is_empty() {
            true => GrayImage::new(width, height),
            false => imageops::resize(&self.film, width, height, imageops::FilterType::CatmullRom),
        };
        let mut picture = RgbImage::from_fn(width, height, |x, y| {
            let [v] = film.get_pixel(x, y).0;
            Rgb([v; 3])
        });
        for layer in &self.layers {
            match layer {
                Layer::Area(map) => layer::area(&mut picture, map, RED),
                Layer::Contour(map) => layer::contour(&mut picture, map, GREEN),
                Layer::Edge(map) => layer::contour(&mut picture, map, RED),
                Layer::Heat(map) => layer::heat(&mut picture, map),
                Layer::Boxes(boxes) => layer::boxes(&mut picture, boxes, scale as f32),
            }
        }
        picture
    }
}

/// Mixes `colour` into a pixel, all of it where `alpha` is 1; nothing beyond the edges.
fn blend(picture: &mut RgbImage, x: i64, y: i64, colour: Rgb<u8>, alpha: f32) {
    let inside = u32::try_from(x).ok().zip(u32::try_from(y).ok());
    let Some(pixel) = inside.and_then(|(x, y)| picture.get_pixel_mut_checked(x, y)) else { return };
    let alpha = alpha.clamp(0.0, 1.0);
    for (old, new) in pixel.0.iter_mut().zip(colour.0) {
        *old = (f32::from(*old) + alpha * (f32::from(new) - f32::from(*old))).round() as u8;
    }
}

/// Fills a rectangle whose edges may lie within pixels.
fn fill(picture: &mut RgbImage, [x1, y1, x2, y2]: [f32; 4], colour: Rgb<u8>, alpha: f32) {
    let covered = |from: f32, to: f32, at: i64| {
        (to.min(at as f32 + 1.0) - from.max(at as f32)).clamp(0.0, 1.0)
    };
    let [width, height] = [picture.width(), picture.height()].map(|side| side as f32);
    for y in y1.max(0.0).floor() as i64..y2.min(height).ceil() as i64 {
        for x in x1.max(0.0).floor() as i64..x2.min(width).ceil() as i64 {
            blend(picture, x, y, colour, alpha * covered(x1, x2, x) * covered(y1, y2, y));
        }
    }
}
