//! Masks: the foreground of a film at its own size.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    decode::read,
    fit::upright,
    image::{Encoding, Misfit, with_bytes},
    levels::levels,
};
use crate::{
    Error, Result,
    data::{Annotation, Film, MaskValues, Sample},
};

/// Grey value above which a pixel is foreground.
const THRESHOLD: f32 = 127.0;
/// Share of a mask's pixels that may be neither dark (below 64) nor bright (above 191): the
/// anti-aliased edges of a mask stay below it, most photographs do not.
const BETWEEN: f64 = 0.25;
/// Largest number of values of a mask of which each has a meaning.
const MOST_VALUES: usize = 32;
/// Number of values that an error lists.
const LISTED: usize = 6;

impl Sample {
    /// The film's mask at the film's own size, row by row: 1 is foreground.
    ///
    /// `size` is width and height of the film as decoded ([`crate::data::FittedFilm::size`]).
    ///
    /// # Errors
    /// [`Error::Data`] naming the film if it has no mask, if the mask cannot be read or is of
    /// another size, or if its values are not those of a mask.
    pub fn mask(&self, size: [usize; 2]) -> Result<Vec<u8>> {
        mask(&self.target, size).map_err(|Misfit { expected, found }| {
            Error::data(&self.path, expected, found, "correct the mask, or leave the film out")
        })
    }
}

/// The mask of a film of `size` pixels: 1 is foreground.
pub(in crate::data) fn mask(annotation: &Annotation, size: [usize; 2]) -> Result<Vec<u8>, Misfit> {
    let mut union = vec![0; size[0] * size[1]];
    match annotation {
        Annotation::Mask { files, values } => {
            for path in files {
                let of_mask = |Misfit { expected, found }| {
                    Misfit::new(format!("{expected} in its mask {}", path.display()), found)
                };
                add_file(path, values.as_ref(), size, &mut union).map_err(of_mask)?;
            }
        }
        Annotation::Polygons { size: annotated, polygons } => {
            upright(*annotated, size)?;
            let scale = [0, 1].map(|axis| size[axis] as f64 / annotated[axis] as f64);
            for polygon in polygons {
                let corners =
                    |&[x, y]: &[f32; 2]| [f64::from(x) * scale[0], f64::from(y) * scale[1]];
                fill(&polygon.iter().map(corners).collect::<Vec<_>>(), size, &mut union);
            }
        }
        Annotation::Labels(_) | Annotation::Boxes { .. } => {
            return Err(Misfit::new("a film with a mask", "one without"));
        }
    }
    Ok(union)
}

fn add_file(
    path: &Path,
    values: Option<&MaskValues>,
    size: [usize; 2],
    union: &mut [u8],
) -> Result<(), Misfit> {
    let (mask, encoding, _share) = read(path)?.film();
    if [mask.width, mask.height] != size {
        let expected = format!("the film's size {}x{}", size[0], size[1]);
        return Err(Misfit::new(expected, format!("{}x{}", mask.width, mask.height)));
    }
    if let Some(values) = values {
        if let Some(kind) = coloured(&encoding) {
            let expected = "a grey PNG, TIFF or BMP, whose values `values` in the data set's settings may name";
            return Err(Misfit::new(expected, format!("{} {kind}", encoding.format)));
        }
        return add_values(&mask, stored(&encoding), values, union);
    }
    if let Some(several) = levels(&mask, encoding.format == "JPEG") {
        if let Some(kind) = coloured(&encoding) {
            let expected = "two values, of background and foreground: save each kind of finding as a mask in grey, white on black";
            return Err(Misfit::new(
                expected,
                format!("{several}, in a {} {kind}", encoding.format),
            ));
        }
        let expected = "two values, of background and foreground (a mask for each kind of finding \
                        is a file of its own, and a film may have several), or `values = { foreground = […], background = […] }` in \
                        the data set's settings";
        return Err(Misfit::new(expected, several));
    }
    let most = mask.pixels.iter().fold(0.0f32, |most, v| most.max(*v));
    if most == 0.0 && [2, 4].contains(&encoding.channels) && is_see_through(path) {
        let expected =
            "the foreground in the colours of a mask, or greys: save it without transparency";
        return Err(Misfit::new(expected, "black all over, and shapes in its transparency alone"));
    }
    if most > 0.0 && most <= THRESHOLD {
        if let Some(kind) = coloured(&encoding) {
            let expected =
                "0 for background and 255 for foreground: save the mask in grey, white on black";
            let found = format!("{} {kind}, of greys from 0 to {most:.0}", encoding.format);
            return Err(Misfit::new(expected, found));
        }
        let expected = "0 for background and 255 for foreground, or `values = { foreground = […] }` in the data set's settings";
        return Err(Misfit::new(expected, format!("0 to {}", (most * stored(&encoding)).round())));
    }
    let between = mask.pixels.iter().filter(|v| (64.0..=191.0).contains(*v)).count();
    if between as f64 > BETWEEN * mask.pixels.len() as f64 {
        let percent = 100 * between / mask.pixels.len();
        let found = format!("values between in {percent}% of the pixels");
        return Err(Misfit::new("0 and 255", found));
    }
    for (to, value) in union.iter_mut().zip(mask.pixels) {
        *to |= u8::from(value > THRESHOLD);
    }
    Ok(())
}

/// Factor from a grey of 0–255 to the value that the file holds.
fn stored(encoding: &Encoding) -> f32 {
    f32::from(u16::MAX >> (16 - encoding.bits.clamp(1, 16))) / 255.0
}

/// Why a file does not hold greys as they are: colours, places in a palette, or greys that a viewer would show otherwise.
fn coloured(encoding: &Encoding) -> Option<&'static str> {
    match encoding {
        Encoding { format: "DICOM", .. } => Some("that is shown by a window"),
        Encoding { palette: true, .. } => Some("of a palette"),
        Encoding { channels: 3.., .. } => Some("in colour"),
        _ => None,
    }
}

/// Whether an image is transparent in some places more than in others.
fn is_see_through(path: &Path) -> bool {
    let differs = |bytes: &[u8]| {
        let image = image::load_from_memory(bytes).map_err(|e| Misfit::not_whole("image", e))?;
        let image = image.to_luma_alpha8();
        let mut places = image.pixels().map(|pixel| pixel.0[1]);
        let first = places.next();
        Ok(places.any(|place| Some(place) != first))
    };
    with_bytes(path, differs).unwrap_or(false)
}

/// Adds the foreground of a mask whose values have a meaning each.
fn add_values(
    mask: &Film,
    stored: f32,
    values: &MaskValues,
    union: &mut [u8],
) -> Result<(), Misfit> {
    let mut others = BTreeMap::<u16, usize>::new();
    for (to, grey) in union.iter_mut().zip(&mask.pixels) {
        let value = (grey * stored).round() as u16;
        if values.foreground.contains(&value) {
            *to = 1;
        } else if !values.background.contains(&value) {
            *others.entry(value).or_default() += 1;
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    let list = |values: &[u16]| values.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let expected = format!(
        "only the values {} (foreground) and {} (background), as `values` in the data set's settings says",
        list(&values.foreground),
        list(&values.background)
    );
    let share = |(value, count): (&u16, &usize)| {
        format!("{value} in {:.1}%", 100.0 * *count as f64 / mask.pixels.len() as f64)
    };
    let listed: Vec<String> = others.iter().take(LISTED).map(share).collect();
    let more = if others.len() > LISTED { " and more" } else { "" };
    Err(Misfit::new(expected, format!("{} others: {}{more}", others.len(), listed.join(", "))))
}

/// The values that a mask's file holds, if they are few enough to have a meaning each.
pub(in crate::data) fn held_values(path: &Path) -> Option<BTreeSet<u16>> {
    let (mask, encoding, _share) = read(path).ok()?.film();
    if coloured(&encoding).is_some() {
        return None;
    }
    let stored = stored(&encoding);
    let mut values = BTreeSet::new();
    for row in mask.pixels.chunk_by(|a, b| a == b) {
        values.insert((row[0] * stored).round() as u16);
        if values.len() > MOST_VALUES {
            return None;
        }
    }
    Some(values)
}

/// Sets the pixels whose centre lies inside the polygon by the even-odd rule.
fn fill(corners: &[[f64; 2]], [width, height]: [usize; 2], union: &mut [u8]) {
    for (y, row) in union.chunks_mut(width).enumerate().take(height) {
        let centre = y as f64 + 0.5;
        let edges = corners.iter().zip(corners.iter().cycle().skip(1));
        let mut crossings: Vec<f64> = edges
            .filter(|([_, y0], [_, y1])| (*y0 <= centre) != (*y1 <= centre))
            .map(|([x0, y0], [x1, y1])| x0 + (centre - y0) / (y1 - y0) * (x1 - x0))
            .collect();
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.as_chunks::<2>().0 {
            // Centres x + ½ from the first crossing on and before the second.
            let [from, to] = pair.map(|x| ((x - 0.5).ceil().max(0.0) as usize).min(width));
            row[from..to].fill(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn a_polygon_covers_the_pixels_whose_centres_it_holds() {
        let mut mask = vec![0; 20];
        fill(&[[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]], [5, 4], &mut mask);
        assert_eq!(mask, [0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
        let mut clipped = vec![0; 20];
        fill(&[[-3.0, -2.0], [9.0, -2.0], [9.0, 1.6], [-3.0, 1.6]], [5, 4], &mut clipped);
        assert_eq!(clipped.iter().filter(|v| **v == 1).count(), 10);
    }
}
