//! RLE decoding (PS3.5 G): bytes of one weight of one channel after another, each packed by runs.

use crate::data::film::image::Misfit;

/// Number of bytes of the table of segments.
const TABLE: usize = 64;

/// Unpacks the channels one after the other, low bytes first, of a frame that is packed in `fragment`: `bytes` of a
/// number each.
pub(super) fn unpacked(
    fragment: &[u8],
    pixels: usize,
    [channels, bytes]: [usize; 2],
) -> Result<Vec<u8>, Misfit> {
    let long = |at: usize| {
        let four = fragment.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_le_bytes).map(|number| number as usize).ok_or_else(cut)
    };
    let count = long(0)?;
    if count != channels * bytes {
        let expected = format!("{} segments of RLE", channels * bytes);
        return Err(Misfit::new(expected, count.to_string()));
    }
    let mut data = vec![0; pixels * channels * bytes];
    for segment in 0..count {
        let begin = long(4 + 4 * segment)?;
        let end = if segment + 1 < count { long(8 + 4 * segment)? } else { fragment.len() };
        let packed = fragment.get(begin..end).filter(|_| begin >= TABLE).ok_or_else(cut)?;
        // The highest weight comes first.
        let (channel, weight) = (segment / bytes, bytes - 1 - segment % bytes);
        let plane = &mut data[channel * pixels * bytes..(channel + 1) * pixels * bytes];
        unpack(packed, &mut plane[weight..], bytes)?;
    }
    Ok(data)
}

/// Fills every `step`-th byte of `plane` from packed runs.
fn unpack(packed: &[u8], plane: &mut [u8], step: usize) -> Result<(), Misfit> {
    let mut places = plane.iter_mut().step_by(step);
    let mut at = 0;
    while places.len() > 0 {
        let control = usize::from(*packed.get(at).ok_or_else(cut)?);
        at += 1;
        match control {
            0..128 => {
                let run = packed.get(at..at + control + 1).ok_or_else(cut)?;
                run.iter().zip(places.by_ref()).for_each(|(from, to)| *to = *from);
                at += control + 1;
            }
            128 => {}
            _ => {
                let value = *packed.get(at).ok_or_else(cut)?;
                places.by_ref().take(257 - control).for_each(|to| *to = value);
                at += 1;
            }
        }
    }
    Ok(())
}

fn cut() -> Misfit {
    Misfit::not_whole("RLE frame", "a segment of it is cut short")
}
