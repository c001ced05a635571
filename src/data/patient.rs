//! The patient that a file name tells.

/// The patient of a film called `stem`, its file name without extension.
///
/// Known ways to name films: `person12_bacteria_3` and `IM-0115-0001`, `NORMAL2-IM-0604-0001`
/// (Kermany, Kaggle), `VIRUS-1234567-0001` (Kermany, Mendeley), `00000005_001` (NIH). Any other
/// film counts as a patient of its own.
pub(super) fn patient(stem: &str) -> &str {
    known(stem).unwrap_or(stem)
}

fn known(stem: &str) -> Option<&str> {
    if let Some(rest) = stem.strip_prefix("person") {
        let n = digits(rest);
        return (n > 0).then(|| &stem[.."person".len() + n]);
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
    use super::patient;

    #[test]
    fn a_known_file_name_tells_the_patient() {
        for (stem, expected) in [
            ("person12_bacteria_3", "person12"),
            ("person1120-virus-1845", "person1120"),
            ("IM-0115-0001", "IM-0115"),
            ("IM-0437-0001-0002", "IM-0437"),
            ("NORMAL2-IM-0604-0001", "NORMAL2-IM-0604"),
            ("VIRUS-1234567-0001", "1234567"),
            ("00000005_001", "00000005"),
        ] {
            assert_eq!(patient(stem), expected);
        }
    }

    #[test]
    fn any_other_file_name_is_its_own_patient() {
        for stem in ["IMG0000019", "person", "0005_001", "DIM-", "", "é_1"] {
            assert_eq!(patient(stem), stem);
        }
    }
}
