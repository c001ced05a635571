//! One sheet of pictures for all tasks, which show the same test films where they have them in common.

use crate::{
    Error, Result,
    commands::{options::DeviceArgs, trained::Trained},
    report::picture::{Sheet, SheetRow, seen},
};
use mtpret_pipeline::{
    data::Sample,
    train::tasks::{Compared, attention::choose, explain::Explanation},
};
use std::path::{Path, PathBuf};

/// Rows of the sheet.
const ROWS: usize = 3;
/// Films of a test part that are looked at to choose from.
const LOOKED_AT: usize = 32;
/// Pixels across a picture.
const CELL: u32 = 250;
/// Boxes of a lower probability are left out.
const LEAST: f64 = 0.5;

/// A task's column.
struct TaskColumn {
    name: String,
    trained: Trained,
    /// Films to choose from: the test part, or what other tasks have of it in theirs.
    films: Vec<Sample>,
}

impl TaskColumn {
    fn open(name: &str, run: &Path, device: &DeviceArgs) -> Result<Self> {
        let trained = Trained::open(run, device)?;
        let films = trained.set.test.clone();
        Ok(Self { name: name.into(), trained, films })
    }
    /// Keeps the films that the other task has too, if there are enough of them; whether there are.
    fn share(&mut self, other: &Self) -> bool {
        let there = |film: &&Sample| other.trained.set.test.iter().any(|o| o.path == film.path);
        let shared: Vec<Sample> = self.films.iter().filter(there).cloned().collect();
        let enough = shared.len() >= ROWS;
        if enough {
            self.films = shared;
        }
        enough
    }
    /// What the network sees in films.
    fn see(&self, films: &[Sample]) -> Result<Explanation> {
        Ok(self.trained.explain(&self.name, films, &[], LEAST)?.remove(0))
    }
    /// Films to show, half of them positive; where classes are told apart wrongly, the last is one such.
    fn pick(&self, seed: u64) -> Result<Vec<Sample>> {
        let some = |films: &[Sample], count| choose(&self.trained.set, films, None, count, seed);
        let films = some(&self.films, LOOKED_AT);
        let seen = self.see(&films)?;
        let is_wrong = |film: &Sample| match seen.films.get(&film.path) {
            Some((Compared::Labels { right, chosen, .. }, _)) => right[*chosen] == Some(false),
            _ => false,
        };
        let (wrong, right): (Vec<Sample>, Vec<Sample>) = films.into_iter().partition(is_wrong);
        let wrong: Vec<Sample> = wrong.into_iter().take(1).collect();
        Ok(some(&right, ROWS - wrong.len()).into_iter().chain(wrong).collect())
    }
}

/// Draws the sheet of fine-tuned runs, by the names of their tasks, into `file`. Tasks that share films with the first
/// show the same ones.
///
/// # Errors
/// A run without weights, or films that cannot be read.
pub fn draw(runs: &[(String, PathBuf)], device: &DeviceArgs, seed: u64, file: &Path) -> Result<()> {
    let open = |(name, run): &(String, PathBuf)| TaskColumn::open(name, run, device);
    let mut tasks = runs.iter().map(open).collect::<Result<Vec<_>>>()?;
    let (first, others) = tasks.split_first_mut().expect("a demo has a task");
    let shares: Vec<bool> = others.iter().map(|other| first.share(other)).collect();
    let films = first.pick(seed)?;
    let mut rows = vec![SheetRow { name: String::new(), cells: Vec::new() }; ROWS];
    for (task, shares) in tasks.iter().zip(std::iter::once(true).chain(shares)) {
        let films = if shares { films.clone() } else { task.pick(seed)? };
        let seen = task.see(&films)?;
        for (at, row) in rows.iter_mut().enumerate() {
            let film = films.get(at).and_then(|film| Some((film, seen.films.get(&film.path)?)));
            let cell = film.map(|(film, (compared, map))| {
                Ok::<_, Error>(seen::cell(&seen::grey(&film.path)?, compared, map))
            });
            row.cells.push(cell.transpose()?);
        }
    }
    let sheet = Sheet {
        title: "What the fine-tuned networks see in test films".into(),
        columns: tasks.iter().map(|task| task.name.clone()).collect(),
        rows,
        note: "Attention is Grad-CAM at C5 (Selvaraju et al. 2017). Not for diagnostic use.".into(),
        cell: CELL,
    };
    sheet.save(file)
}
