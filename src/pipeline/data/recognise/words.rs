//! Words in the cells of a column, and the classes that they are.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::class;
use crate::data::{Class, dataset::class::meaning};

/// Words that mean a blank to pandas, but in a column of one other word the absence of that.
const ABSENT: [&str; 2] = ["none", "nil"];
/// Number of words beyond which a column is not one of classes.
pub(super) const CLASSES: usize = 20;
/// Separators of several findings in a cell.
const BETWEEN: [&str; 2] = ["|", ";"];
/// Number of words beyond which a column is not one of several findings a cell.
const FINDINGS: usize = 200;
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
