//! Compiled pipelines in a file: their bytes behind a digest, because a driver believes what it is given.

use std::path::Path;

/// What such a file begins with.
const MARK: &[u8; 16] = b"mtpret pipelines";

/// The bytes of the file that keeps `data`.
pub fn seal(data: &[u8]) -> Vec<u8> {
    [MARK, &blake3::hash(data).as_bytes()[..], data].concat()
}

/// What was sealed, if it is still that.
fn unseal(file: &[u8]) -> Option<&[u8]> {
    let (digest, data) = file.strip_prefix(MARK)?.split_at_checked(blake3::OUT_LEN)?;
    (blake3::hash(data).as_bytes() == digest).then_some(data)
}

/// What an earlier run kept at `path`: nothing if there is no file. A file that is damaged, or of another program, is
/// dropped, and the line says so.
pub fn open(path: &Path) -> (Option<Vec<u8>>, Option<String>) {
    let Ok(file) = std::fs::read(path) else { return (None, None) };
    match unseal(&file) {
        Some(data) => (Some(data.to_vec()), None),
        None => (None, Some(dropped(path, "is damaged or another version's"))),
    }
}

/// Removes a file of the cache that cannot be used; says so.
pub fn dropped(path: &Path, why: &str) -> String {
    let removed = match std::fs::remove_file(path) {
        Ok(()) => "dropped",
        // The next run that keeps something writes over it.
        Err(_) => "passed over",
    };
    format!("{}: {why}: {removed}, and made anew when it is needed", path.display())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_is_seen_and_dropped_with_a_line() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("pipelines");
        assert_eq!(open(&path), (None, None));
        let whole = seal(b"WGPUPLCH and more");
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(open(&path), (Some(b"WGPUPLCH and more".to_vec()), None));
        let flipped = (0..whole.len() * 8).map(|bit| {
            let mut file = whole.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            file
        });
        let short = (0..whole.len()).map(|n| whole[..n].to_vec());
        let long = [whole.iter().copied().chain([0]).collect(), b"WGPUPLCH".to_vec()];
        for file in flipped.chain(short).chain(long) {
            std::fs::write(&path, &file).unwrap();
            let (data, line) = open(&path);
            assert!(data.is_none() && line.unwrap().contains("damaged"), "{file:?}");
            assert!(!path.exists());
        }
    }
}
