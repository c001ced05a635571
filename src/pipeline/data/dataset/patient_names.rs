//! Patients in the names of files and folders.

use std::path::Path;

/// Words that stand where a patient's number was taken out, in letters and digits alone.
const NOBODY: [&str; 18] = [
    "anonymous",
    "anonymized",
    "anonymised",
    "anonym",
    "anon",
    "deidentified",
    "removed",
    "redacted",
    "unknown",
    "unnamed",
    "none",
    "null",
    "nan",
    "na",
    "noid",
    "notavailable",
    "nopatientid",
    "xxx",
];

/// Whether an identifier names nobody.
pub(in crate::data) fn nobody(id: &str) -> bool {
    let word: String = id.chars().filter(|c| c.is_alphanumeric()).collect();
    let word = word.to_lowercase();
    word.is_empty() || NOBODY.contains(&word.as_str()) || word.chars().all(|c| c == 'x')
}

/// The folder `patient00001` (CheXpert, MURA) on the way to a film below `folder`.
pub(in crate::data) fn numbered_folder(folder: &Path, film: &Path) -> Option<String> {
    let inside = film.strip_prefix(folder).unwrap_or(film);
    let mut folders = inside.parent()?.components().filter_map(|part| part.as_os_str().to_str());
    let own = folders.find(|name| {
        let number = name.strip_prefix("patient");
        number.is_some_and(|n| !n.is_empty() && digits(n) == n.len())
    });
    own.map(str::to_owned)
}

/// The patient in a known kind of name: `patient00001_view1`, `person12_bacteria_3`, `IM-0115-0001`, `NORMAL2-IM-0604-0001`
/// (Kermany, Kaggle), `VIRUS-1234567-0001` (Kermany, Mendeley), `00000005_001` (NIH), `sub-07_ses-1` (BIDS).
pub(in crate::data) fn known(stem: &str) -> Option<&str> {
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
    if stem.starts_with("sub-") {
        return stem.split_once('_').map(|(subject, _)| subject);
    }
    if let Some(at) = stem.find("IM-") {
        let end = at + "IM-".len();
        let n = digits(&stem[end..]);
        return (n > 0).then(|| &stem[..end + n]);
    }
    // Eight digits, a line, three digits.
    let (person, film) = stem.split_once('_')?;
    let numbered = |s: &str, n: usize| s.len() == n && digits(s) == n;
    // A day is nobody's number.
    (numbered(person, 8) && numbered(film, 3) && !is_date(person)).then_some(person)
}

/// Whether a name is a year, or a day such as `2019-05-01`.
pub(in crate::data) fn is_date(name: &str) -> bool {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let bare = name.chars().all(|c| c.is_ascii_digit() || "-_.".contains(c));
    let year = digits
        .get(..4)
        .and_then(|year| year.parse().ok())
        .is_some_and(|y| (1900..2100).contains(&y));
    let pair = |at: usize, most: u8| {
        let two = digits.get(at..at + 2).and_then(|two| two.parse::<u8>().ok());
        two.is_some_and(|n| (1..=most).contains(&n))
    };
    bare && year && (digits.len() == 4 || digits.len() == 8 && pair(4, 12) && pair(6, 31))
}

/// A name without nnU-Net's channel: `case_005_0000` is a film of `case_005`.
pub(in crate::data) fn without_channel(stem: &str) -> Option<&str> {
    let (case, channel) = stem.rsplit_once('_')?;
    (channel.len() == 4 && digits(channel) == 4 && !case.is_empty()).then_some(case)
}

/// Length of the run of digits at the start.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The number without zeros that do not change it: `007.0` and `7` are both `7`.
pub(in crate::data) fn number(name: &str) -> Option<String> {
    let (sign, rest) = match name.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", name.strip_prefix('+').unwrap_or(name)),
    };
    let (whole, part) = rest.split_once('.').unwrap_or((rest, ""));
    let all_digits = |text: &str| digits(text) == text.len();
    if whole.is_empty() || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if whole == "0" && part.is_empty() { "" } else { sign };
    let point = if part.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{part}"))
}

#[cfg(test)]
mod tests {
    use super::{known, nobody, number, numbered_folder, without_channel};
    use std::path::Path;

    #[test]
    fn a_folder_can_name_the_patient() {
        for (film, expected) in [
            ("MURA/train/XR_HAND/patient00012/study1_positive/image1.png", Some("patient00012")),
            ("MURA/train/patients/image1.png", None),
            ("MURA/train/patient/image1.png", None),
            ("patient7/image1.png", Some("patient7")),
        ] {
            let found = numbered_folder(Path::new("MURA"), Path::new(film));
            assert_eq!(found.as_deref(), expected);
        }
        let film = Path::new("patient7/set/image1.png");
        assert_eq!(numbered_folder(Path::new("patient7/set"), film), None);
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
            ("sub-S07_ses-1_cr", "sub-S07"),
        ] {
            assert_eq!(known(stem), Some(expected));
        }
    }

    #[test]
    fn any_other_file_name_tells_no_patient() {
        for stem in
            ["IMG0000019", "person", "patients", "0005_001", "20190101_000", "DIM-", "", "é_1"]
        {
            assert_eq!(known(stem), None);
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_nothing_else_is() {
        for (name, expected) in
            [("0.0", "0"), ("-0", "0"), ("007", "7"), ("7.50", "7.5"), ("12.", "12")]
        {
            assert_eq!(number(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["", ".", "P7", "7a", "1e3", "1.2.3", "0x10", "- 1"] {
            assert_eq!(number(name), None, "{name}");
        }
    }

    #[test]
    fn placeholders_name_nobody_and_a_channel_is_no_part_of_a_case() {
        assert!(["ANONYMOUS", "Anon.", "N/A", "XX-XX", "  "].into_iter().all(nobody));
        assert!(!["Anna", "P1", "0", "Nana"].into_iter().any(nobody));
        assert_eq!(without_channel("case_005_0000"), Some("case_005"));
        assert_eq!(without_channel("case_005"), None);
    }
}
