//! Damage to files: blind, by what binary formats are made of, and by what text is made of.

/// Numbers in a fixed order (Knuth's linear congruential generator).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
    /// A number below `end`, which is above 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Numbers at which lengths and counts go wrong.
const EXTREMES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x10_0000,
    0x0fff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    u64::MAX,
];

/// What text is broken with: numbers beyond any size, what is no number, what opens and never closes, names that lead away.
const WORDS: [&str; 22] = [
    "-1",
    "0",
    "1e999",
    "-1e308",
    "NaN",
    "1.0",
    "4294967296",
    "18446744073709551616",
    "0.0000000000000000000000001",
    "null",
    "true",
    "[]",
    "{}",
    "[[[[[[[[[[[[[[[[",
    "\"",
    "'",
    "../../etc/passwd",
    "\u{0}",
    "\u{feff}",
    "ä胸",
    "&a;",
    "*a",
];

/// Damages bytes at a few places.
pub fn binary(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        // Half of the damage in the first bytes, where sizes and offsets are.
        let end = if random.below(2) == 0 { bytes.len().min(256) } else { bytes.len() };
        let at = random.below(end);
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let to = (at + 1 + random.below(32)).min(bytes.len());
                bytes.drain(at..to);
            }
            4 => {
                let to = (at + 1 + random.below(64)).min(bytes.len());
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            _ => extreme(bytes, at, random),
        }
    }
}

/// Writes an extreme number of 2, 4 or 8 bytes, either end first.
fn extreme(bytes: &mut [u8], at: usize, random: &mut Random) {
    let (value, width) = (random.of(&EXTREMES), random.of(&[2usize, 4, 8]));
    let all = if random.below(2) == 0 { value.to_le_bytes() } else { value.to_be_bytes() };
    let part = if all[0] == 0 && all[7] != 0 { &all[8 - width..] } else { &all[..width] };
    for (to, from) in bytes[at..].iter_mut().zip(part) {
        *to = *from;
    }
}

/// Damages text at a few places: numbers and words become others, lines repeat, brackets and quotes go.
pub fn text(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() || random.below(4) == 0 {
            binary(bytes, random);
            continue;
        }
        let at = random.below(bytes.len());
        match random.below(4) {
            0 | 1 => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+".contains(byte);
                let length = bytes[at..].iter().take_while(|byte| is_word(byte)).count();
                let word = random.of(&WORDS).bytes();
                bytes.splice(at..at + length, word);
            }
            2 => {
                let line = bytes[at..]
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(bytes.len(), |n| at + n + 1);
                let again = bytes[at..line].repeat(1 + random.below(50));
                bytes.splice(line..line, again);
            }
            _ => {
                let marks = b"{}[]<>\"',;:\n";
                if let Some(n) = bytes[at..].iter().position(|byte| marks.contains(byte)) {
                    bytes[at + n] = random.of(marks);
                }
            }
        }
    }
}
