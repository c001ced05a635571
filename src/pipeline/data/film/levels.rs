//! Values of a mask, where it has more than two.

use std::collections::BTreeMap;

use crate::data::Film;

/// Number of values of a mask beyond which they are shades, of a lossy encoding or of smooth edges, rather
/// than marks.
const MARKS: usize = 32;
/// Largest number of values that are counted.
const MOST: usize = 1 << 12;
/// Grey by which shades are off black and white.
const NEAR: f32 = 16.0;
/// Share of the pixels that an area of one shade has at least, where a mask has shades.
const AREA: f64 = 0.001;
/// Number of values that are listed.
const LISTED: usize = 6;

/// The values of areas in a mask, where they are more than two, in words; `lossy`: shades are its encoding's. Smooth edges have other values too, but no pixel of
/// them has its like to the right, below and between the two.
pub(super) fn levels(mask: &Film, lossy: bool) -> Option<String> {
    // For each value its pixels, and those of them that lie in an area.
    let mut values = BTreeMap::<u32, [usize; 2]>::new();
    let rows: Vec<&[f32]> = mask.pixels.chunks(mask.width).collect();
    for (y, row) in rows.iter().enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            let below = rows.get(y + 1).map_or(&[][..], |below| &below[x..x + run.len()]);
            let inside = below.windows(2).filter(|two| *two == [run[0]; 2]).count();
            let [pixels, area] = values.entry(run[0].to_bits()).or_default();
            *pixels += run.len();
            *area += inside;
            x += run.len();
        }
        // A photograph of 16 bits has as many values as pixels; that it is no mask is seen elsewhere.
        if values.len() > MOST {
            return None;
        }
    }
    let shaded = lossy || values.len() > MARKS;
    let least = if shaded { AREA * mask.pixels.len() as f64 } else { 1.0 };
    let most = values.keys().map(|bits| f32::from_bits(*bits)).fold(0.0, f32::max);
    let extreme = |value: f32| value < NEAR || value > most - NEAR;
    let found: Vec<(f32, usize)> = values
        .into_iter()
        .map(|(bits, [pixels, area])| (f32::from_bits(bits), pixels, area))
        .filter(|&(value, _, area)| area as f64 >= least && !(shaded && extreme(value)))
        .map(|(value, pixels, _)| (value, pixels))
        .collect();
    let beyond = if shaded { 0 } else { 2 };
    (found.len() > beyond).then(|| {
        let share = |&(value, count): &(f32, usize)| {
            format!("{value:.0} in {:.1}%", 100.0 * count as f64 / mask.pixels.len() as f64)
        };
        let mut listed: Vec<String> = found.iter().take(LISTED).map(share).collect();
        if found.len() > LISTED {
            listed.push("and more".into());
        }
        let between = if shaded { " between dark and bright" } else { "" };
        format!("{} values{between}: {}", found.len(), listed.join(", "))
    })
}
