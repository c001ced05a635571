//! Text on a picture, in DejaVu Sans.

use super::blend;
use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use image::{Rgb, RgbImage};

fn font() -> FontRef<'static> {
    FontRef::try_from_slice(dejavu::sans::regular()).expect("the font is whole")
}

/// Lays out glyphs: their distance from the text's left end, and the width of all.
fn layout(text: &str, size: f32) -> (Vec<(ab_glyph::GlyphId, f32)>, f32) {
    let font = font();
    let scaled = font.as_scaled(PxScale::from(size));
    let (mut glyphs, mut x): (Vec<(ab_glyph::GlyphId, f32)>, f32) = (Vec::new(), 0.0);
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        let glyph = scaled.glyph_id(c);
        x += glyphs.last().map_or(0.0, |(last, _)| scaled.kern(*last, glyph));
        glyphs.push((glyph, x));
        x += scaled.h_advance(glyph);
    }
    (glyphs, x)
}

/// Width of a text in pixels.
pub(super) fn width(text: &str, size: f32) -> f32 {
    layout(text, size).1
}

/// Writes text from the left end of its base line.
pub(super) fn write(
    picture: &mut RgbImage,
    [x, y]: [f32; 2],
    size: f32,
    colour: Rgb<u8>,
    text: &str,
) {
    let font = font();
    for (glyph, dx) in layout(text, size).0 {
        let glyph = glyph.with_scale_and_position(size, ab_glyph::point(x + dx, y));
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, covered| {
            let at = [corner.x as i64 + i64::from(dx), corner.y as i64 + i64::from(dy)];
            blend(picture, at[0], at[1], colour, covered);
        });
    }
}

/// Shortens text to fit into `width`, with an ellipsis where it was cut.
pub(super) fn shorten(text: &str, most: f32, size: f32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut short = text.to_owned();
    while !short.is_empty() && width(&format!("{short}…"), size) > most {
        short.pop();
    }
    short.trim_end().to_owned() + "…"
}
