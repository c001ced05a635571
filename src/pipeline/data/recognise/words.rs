//! What the words in a column of a table are: classes, truths, several findings a cell, or labels that nobody reads.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Class, Table, class};
use crate::data::dataset::class::meaning;

/// Number of words beyond which a column is not one of classes, and beyond which it is not one of several
/// findings a cell.
const CLASSES: usize = 20;
const FINDINGS: usize = 200;
/// Separators of several findings in a cell.
const BETWEEN: [&str; 2] = ["|", ";"];
/// Words that mean a blank to pandas, but in a column of one other word the absence of that.
const ABSENT: [&str; 2] = ["none", "nil"];
/// Words in the names of columns of marks.
const MARKS: [&str; 6] = ["box", "rle", "encodedpixels", "polygon", "segmentation", "contour"];
/// Words of which a column of two says whether something is there.
const TRUTHS: [[&str; 2]; 7] = [
    ["false", "true"],
    ["no", "yes"],
    ["n", "y"],
    ["neg", "pos"],
    ["negative", "positive"],
    ["absent", "present"],
    ["abnormal", "normal"],
];

pub(super) fn cells(table: &Table, column: usize) -> impl Iterator<Item = &str> {
    table.rows.iter().filter_map(move |(_, cells)| Some(cells.get(column)?.as_str()))
}

/// Whether the words of a column are two that say whether something is there.
pub(super) fn truths<'a>(said: impl Iterator<Item = &'a str>) -> bool {
    let words: BTreeSet<String> = said.map(str::to_lowercase).collect();
    TRUTHS.iter().any(|pair| words.iter().map(String::as_str).eq(pair.iter().copied()))
}

/// Classes of these words, of which those that only differ in capital letters are one, called as most cells call it; and what is
/// said of these.
pub(super) fn spelt<'a>(
    words: &[&str],
    all: impl Iterator<Item = &'a str>,
) -> (Vec<Class>, String) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    all.for_each(|cell| *times.entry(cell).or_default() += 1);
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    words.iter().for_each(|word| alike.entry(word.to_lowercase()).or_default().push(word));
    let mut said = String::new();
    let one = |mut words: Vec<&str>| {
        words.sort_by_key(|word| std::cmp::Reverse(times.get(word).copied().unwrap_or(0)));
        if let [_] = words[..] {
            return class(words[0]);
        }
        said += &format!("; {} counts as {}", words[1..].join(", "), words[0]);
        Class::new(words[0], &words)
    };
    let mut classes: Vec<Class> = alike.into_values().map(one).collect();
    classes.sort_by(|a, b| a.name.cmp(&b.name));
    (classes, said)
}

/// What a column may hold that is not read: classes under another name, or marks in another form.
pub(super) fn may_be(table: &Table, column: usize, labels: &[usize]) -> Option<String> {
    let name = &table.header[column];
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let filled = cells(table, column).filter(|cell| !cell.is_empty());
    filled.for_each(|cell| *times.entry(cell).or_default() += 1);
    if MARKS.iter().any(|word| name.to_lowercase().replace(['_', ' '], "").contains(word)) {
        return (!times.is_empty())
            .then(|| format!("the column {name} holds marks in no form that is read here"));
    }
    let listed = || times.keys().take(3).copied().collect::<Vec<_>>().join(", ");
    if labels.contains(&column) {
        return Some(match times.len() {
            0 => format!("the column {name} is blank"),
            1 => format!("the column {name} says {} of all films", listed()),
            many => {
                format!("the column {name} holds {many} words, more than classes are taken for")
            }
        });
    }
    // Measures have fractions, names and numbers of films no like.
    let measure = |cell: &&str| cell.parse().is_ok_and(|number: f64| number.fract() != 0.0);
    let few = (2..=CLASSES).contains(&times.len()) && 2 * times.len() <= table.rows.len();
    (few && !times.keys().any(measure)).then(|| {
        format!("the column {name} ({} …) may hold classes: name it by label_columns", listed())
    })
}

/// The words of a column if they are a few classes.
pub(super) fn words_of<'a>(
    said: impl Iterator<Item = &'a str>,
    all: impl Iterator<Item = &'a str>,
) -> Option<Vec<&'a str>> {
    // Of words that mean the same the shortest.
    let sorted = |cells: &mut dyn Iterator<Item = &'a str>| {
        let words: HashSet<&str> = cells.collect();
        let mut words: Vec<(String, &str)> = words.into_iter().map(|w| (meaning(w), w)).collect();
        words.sort_unstable_by(|(a, one), (b, other)| {
            (a, one.len(), one).cmp(&(b, other.len(), other))
        });
        words.dedup_by(|(a, _), (b, _)| a == b);
        let mut words: Vec<&str> = words.into_iter().map(|(_, word)| word).collect();
        words.sort_unstable();
        words
    };
    let mut words = sorted(&mut { said });
    if words.len() == 1 {
        // Beside a single word, `None` is its absence.
        let absent = |cell: &&str| ABSENT.contains(&cell.to_lowercase().as_str());
        words.extend(sorted(&mut all.filter(absent)));
        words.sort_unstable();
    }
    let several = words.iter().map(|word| word.to_lowercase()).collect::<BTreeSet<_>>().len() > 1;
    (several && words.len() <= CLASSES).then_some(words)
}

/// Separator of several findings in the cells of a column: `|`, or one beside words that stand alone elsewhere too.
pub(super) fn between<'a>(said: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let cells: HashSet<&str> = said.collect();
    BETWEEN.into_iter().find(|separator| {
        let mut met: BTreeMap<&str, usize> = BTreeMap::new();
        let joined = cells.iter().filter(|cell| cell.contains(separator)).count();
        cells.iter().flat_map(|cell| cell.split(separator)).for_each(|word| {
            *met.entry(word.trim()).or_default() += 1;
        });
        let again = met.values().any(|count| *count > 1);
        joined > 0 && met.len() <= FINDINGS && (*separator == "|" || again)
    })
}
