//! Escaping of text in tables that people open in a spreadsheet, which runs cells that begin like a
//! formula.

/// Characters that a spreadsheet takes for the beginning of a formula, also behind what it skips.
const BEGINNINGS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Escapes a cell so that a spreadsheet shows and does not run it: an apostrophe before what begins like a formula and
/// is no number.
pub fn inert(text: &str) -> String {
    match risky(text) && text.parse::<f64>().is_err() {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

/// Undoes [`inert`]: the text that it was given.
pub fn meant(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| risky(rest)).unwrap_or(cell)
}

/// Rows as a table in CSV, inert in a spreadsheet.
pub fn table(rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    let cells = rows.map(|row| row.into_iter().map(|cell| inert(&cell)).collect::<Vec<_>>());
    cells.for_each(|row| table.write_record(row).expect("memory takes every row"));
    let bytes = table.into_inner().expect("memory is flushed");
    String::from_utf8(bytes).expect("rows are UTF-8")
}

/// Whether text begins like a formula, or like one that has its apostrophe already.
fn risky(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(BEGINNINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_inert_and_mean_the_same() {
        for (text, cell) in [
            ("=1+2", "'=1+2"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-a", "'-a"),
            ("\t=1", "'\t=1"),
            ("＝1+2", "'＝1+2"),
            ("'=1", "''=1"),
            ("-0.5", "-0.5"),
            ("+1e-3", "+1e-3"),
            ("'tis", "'tis"),
            ("films/a.png", "films/a.png"),
            ("", ""),
        ] {
            assert_eq!(inert(text), cell);
            assert_eq!(meant(&inert(text)), text);
        }
    }
}
