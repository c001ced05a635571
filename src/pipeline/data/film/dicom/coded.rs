//! Headers of the compressed streams inside DICOM's pixel data.

/// Width, height and channels that a JPEG, JPEG-LS or JPEG 2000 stream says, before anything is decoded: a stream larger than
/// its DICOM header would be decoded into memory that nobody agreed to.
pub(in crate::data) fn coded(stream: &[u8]) -> Option<[usize; 3]> {
    let byte = |at: usize| stream.get(at).copied().map(usize::from);
    let short = |at: usize| Some(byte(at)? << 8 | byte(at + 1)?);
    let long = |at: usize| Some(short(at)? << 16 | short(at + 2)?);
    if stream.starts_with(&[0xff, 0x4f, 0xff, 0x51]) {
        let side = |to: usize, from: usize| Some(long(to)?.saturating_sub(long(from)?));
        return Some([side(8, 16)?, side(12, 20)?, short(40)?]);
    }
    let mut at = 2;
    while stream.starts_with(&[0xff, 0xd8]) && stream.get(at) == Some(&0xff) {
        match *stream.get(at + 1)? {
            0xff => at += 1,
            // Frame headers, of which C4, C8 and CC are none, and JPEG-LS's.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7 => {
                return Some([short(at + 7)?, short(at + 5)?, byte(at + 9)?]);
            }
            _ => at += 2 + short(at + 2)?,
        }
    }
    None
}
