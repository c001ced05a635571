//! Look-up tables of DICOM films (PS3.3 C.11.1, C.11.2).

use dicom_dictionary_std::tags;

use super::elements::ElementMap;
use crate::data::film::image::Misfit;

/// Number of entries of a table whose descriptor has no room for it.
const MOST: usize = 1 << 16;
/// Factor by which a table's white may be brighter than its brightest entry: a brightest entry that leaves two bits or
/// more free belongs to a table that says more bits than it has, as some devices do.
const FAINT: u32 = 4;

/// Look-up table from numbers to numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookupTable {
    first: i64,
    entries: Vec<u16>,
    bits: u32,
}

impl LookupTable {
    /// Reads the table of a sequence's item; `signed`: the numbers that are looked up may be below
    /// 0.
    pub fn read(item: &ElementMap, name: &str, signed: bool) -> Result<Self, Misfit> {
        let of = |what: &str| format!("{what} of its {name}");
        let descriptor = item.words(tags::LUT_DESCRIPTOR).unwrap_or_default();
        let [count, first, bits, ..] = descriptor[..] else {
            let found = descriptor.len().to_string();
            return Err(Misfit::new(of("three numbers in the descriptor"), found));
        };
        let count = if count == 0 { MOST } else { count.into() };
        let vr = item.get(tags::LUT_DESCRIPTOR).map(|element| element.vr);
        let first = match signed || vr == Some(*b"SS") {
            true => i64::from(first as i16),
            false => first.into(),
        };
        let bits = u32::from(bits);
        if !(1..=16).contains(&bits) {
            return Err(Misfit::new(of("1 to 16 bits in an entry"), bits.to_string()));
        }
        let data = item.bytes(tags::LUT_DATA).unwrap_or_default();
        let mut entries = item.words(tags::LUT_DATA).unwrap_or_default();
        if bits <= 8 && (data.len() == count || data.len() == count.next_multiple_of(2)) {
            // Two entries a word, the first in its low byte.
            let odd = data.as_chunks::<2>().1.iter().copied();
            let bytes = entries.iter().flat_map(|word| word.to_le_bytes()).chain(odd);
            entries = bytes.map(u16::from).collect();
        }
        if entries.len() < count {
            let found = entries.len().to_string();
            return Err(Misfit::new(
                of(&format!("{count} entries, as its descriptor says,")),
                found,
            ));
        }
        entries.truncate(count);
        Ok(Self { first, entries, bits })
    }

    /// The entry of a number; numbers before and behind the table have its first and its last.
    pub fn at(&self, number: f64) -> f64 {
        let at = number.round() - self.first as f64;
        self.entries[(at.max(0.0) as usize).min(self.entries.len() - 1)].into()
    }

    /// Number of bits of an entry, and whether they are other than the table says: fewer than its brightest entry
    /// needs, or so many more that it would be nearly black.
    pub fn depth(&self) -> (u32, bool) {
        let brightest = u32::from(self.entries.iter().copied().max().unwrap_or(0));
        let white = (1u32 << self.bits) - 1;
        let fits = brightest == 0 || brightest <= white && white <= brightest * FAINT;
        if fits { (self.bits, false) } else { (u32::BITS - brightest.leading_zeros(), true) }
    }
}
