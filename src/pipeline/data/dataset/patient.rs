//! The patient identifier in a path.

use crate::data::{film::dicom, walk::stem};
use std::path::Path;

/// The patient of a film below `folder`, by its path or its DICOM header; any film that does not tell counts as a patient of its own.
pub(in crate::data) fn patient(folder: &Path, film: &Path) -> String {
    told(folder, film).or_else(|| dicom::patient(film)).unwrap_or_else(|| stem(film))
}

/// The patient that the path of a film below `folder` tells.
///
/// Known ways: a folder `patient00001` (CheXpert, MURA), or names of films such as
/// `patient00001_view1`, `person12_bacteria_3` and `IM-0115-0001`, `NORMAL2-IM-0604-0001` (Kermany, Kaggle),
/// `VIRUS-1234567-0001` (Kermany, Mendeley), `00000005_001` (NIH).
pub(in crate::data) fn told(folder: &Path, film: &Path) -> Option<String> {
    let inside = film.strip_prefix(folder).unwrap_or(film);
    let mut folders = inside.parent()?.components().filter_map(|part| part.as_os_str().to_str());
    let own = folders.find(|name| {
        let number = name.strip_prefix("patient");
        number.is_some_and(|n| !n.is_empty() && digits(n) == n.len())
    });
    own.map(str::to_owned).or_else(|| known(&stem(film)).map(str::to_owned))
}

fn known(stem: &str) -> Option<&str> {
    for word in ["person", "patient"] {
        if let Some(rest) = stem.strip_prefix(word) {
            let n = digits(rest);
            return (n > 0).then(|| &stem[..word.len() + n]);
        }
    }
    for class in ["BACTERIA-", "VIRUS-", "NORMAL-"] {
        if let Some(rest) = stem.strip_prefix(class) {
            let n = digits(rest);
            return (n > 0).then(|| &rest[..n]);
        }
    }
    if let Some(at) = stem.find("IM-") {
        let end = at + "IM-".len();
        let n = digits(&stem[end..]);
        return (n > 0).then(|| &stem[..end + n]);
    }
    // Eight digits, a line, three digits.
    let (person, film) = stem.split_once('_')?;
    let numbered = |s: &str, n: usize| s.len() == n && digits(s) == n;
    (numbered(person, 8) && numbered(film, 3)).then_some(person)
}

/// Length of the run of digits at the start.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::{known, patient};
    use std::path::Path;

    #[test]
    fn a_folder_can_name_the_patient() {
        for (film, expected) in [
            ("MURA/train/XR_HAND/patient00012/study1_positive/image1.png", "patient00012"),
            ("MURA/train/patients/image1.png", "image1"),
            ("MURA/train/patient/image1.png", "image1"),
            ("patient7/image1.png", "patient7"),
        ] {
            assert_eq!(patient(Path::new("MURA"), Path::new(film)), expected);
        }
        let film = Path::new("patient7/set/image1.png");
        assert_eq!(patient(Path::new("patient7/set"), film), "image1");
    }

    #[test]
    fn a_known_file_name_tells_the_patient() {
        for (stem, expected) in [
            ("person12_bacteria_3", "person12"),
            ("patient00007-study1-view1_frontal", "patient00007"),
            ("person1120-virus-1845", "person1120"),
            ("IM-0115-0001", "IM-0115"),
            ("IM-0437-0001-0002", "IM-0437"),
            ("NORMAL2-IM-0604-0001", "NORMAL2-IM-0604"),
            ("VIRUS-1234567-0001", "1234567"),
            ("00000005_001", "00000005"),
        ] {
            assert_eq!(known(stem), Some(expected));
        }
    }

    #[test]
    fn any_other_file_name_tells_no_patient() {
        for stem in ["IMG0000019", "person", "patients", "0005_001", "DIM-", "", "é_1"] {
            assert_eq!(known(stem), None);
        }
    }
}
