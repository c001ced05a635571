//! A run: its folder, what it writes there, and the person who watches it.

pub mod environment;
pub mod films;
mod lock;
pub mod log;
mod origin;
mod pace;
pub mod tensorboard;

pub use lock::{hold, hold_run};
pub use pace::Pace;

use self::{environment::Open, lock::Lock, log::MetricsLog, origin::Origin};
use crate::{
    Error, Result,
    data::{BadFilm, spreadsheet::inert},
    weights::{
        self,
        checkpoint::{self, Metadata, Tensors},
    },
};
use image::GrayImage;
use mtpret_engine::file;
use serde::Serialize;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// In a checkpoint's metadata, the bytes of `metrics.jsonl` when it was written.
const LINES: &str = "metrics_bytes";

/// One reading of a stage's metrics.
#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    /// Name of the stage, and of the task where there are several.
    pub stage: String,
    /// Steps done and steps in all.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Mean loss since the last reading.
    pub loss: f32,
    /// The same of each part of a loss that has several, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub losses: BTreeMap<&'static str, f32>,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Training images a second since the last reading.
    pub images_per_second: f64,
    /// Share of the time since the last reading that the device waited for data, in per cent.
    pub data_wait_percent: f64,
    /// Device memory in buffers, MiB.
    pub memory_mib: i64,
    /// Seconds that the stage will still take at this pace.
    pub eta_seconds: f64,
}

/// Who watches a run: a terminal, a log, a test.
pub trait Watch {
    /// Metrics were read.
    fn reading(&self, reading: &Reading);
    /// Something worth a line happened.
    fn note(&self, line: &str);
    /// The person wants the run to stop.
    fn interrupted(&self) -> bool {
        false
    }
}

/// A run's folder and its watcher.
pub struct Run<'a> {
    /// Where everything is written.
    pub folder: PathBuf,
    /// Who watches.
    pub watch: &'a dyn Watch,
    /// Go on from the checkpoint in the folder.
    pub resume: bool,
    /// Go on although something is not what the run began with.
    accept_changes: bool,
    /// What the run began with.
    origin: RefCell<Origin>,
    /// Open from the first number on.
    log: RefCell<Option<MetricsLog>>,
    /// What it runs on, while it does.
    pub(in crate::train) open: RefCell<Option<Open>>,
    /// Nobody else writes to the folder.
    _lock: Lock,
}

impl<'a> Run<'a> {
    /// A run in `folder`, which is made if it is missing, and which is this process's alone as long as the run lives.
    ///
    /// # Errors
    /// The folder cannot be made, another process writes there, or it holds a run already and `resume` is not asked for.
    pub fn new(folder: &Path, watch: &'a dyn Watch, resume: bool) -> Result<Self> {
        fs::create_dir_all(folder)
            .map_err(|e| Error::io(folder, e, "name a folder that can be written"))?;
        let (lock, left) = Lock::take(folder)?;
        left.iter().for_each(|left| watch.note(left));
        let origin =
            if resume { Origin::of(&folder.join(checkpoint::FILE)) } else { Origin::default() };
        let run = Self {
            folder: folder.into(),
            watch,
            resume,
            accept_changes: false,
            origin: RefCell::new(origin),
            log: RefCell::default(),
            open: RefCell::default(),
            _lock: lock,
        };
        if !resume && (run.checkpoint_file().exists() || run.weights_file().exists()) {
            let mend = "resume that run to go on, or name another run folder to begin anew";
            let found = "a checkpoint or weights in it";
            return Err(Error::config(folder, "an empty run folder", found, mend));
        }
        Ok(run)
    }
    /// The same run; with `accept` it goes on although films, settings or the machine are not what it began with.
    #[must_use]
    pub fn accepting(self, accept: bool) -> Self {
        Self { accept_changes: accept, ..self }
    }
    /// A part of this run in a folder below its own.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn part(&self, name: &str) -> Result<Self> {
        let part = Run::new(&self.folder.join(name), self.watch, self.resume)?;
        Ok(part.accepting(self.accept_changes))
    }
    /// The newest checkpoint.
    pub fn checkpoint_file(&self) -> PathBuf {
        self.folder.join(checkpoint::FILE)
    }
    /// The weights that the stage ended with.
    pub fn weights_file(&self) -> PathBuf {
        self.folder.join(weights::FILE)
    }
    /// Whether the stage has ended: its weights are written last.
    pub fn is_done(&self) -> bool {
        self.resume && self.weights_file().exists()
    }
    /// The checkpoint to go on from, if there is one and it is of this stage. What `metrics.jsonl` says of later steps,
    /// or of an earlier beginning, goes: it will be told again.
    ///
    /// # Errors
    /// It is damaged or of another stage.
    pub fn checkpoint(&self, stage: &str) -> Result<Option<Checkpoint>> {
        let file = self.checkpoint_file();
        if !self.resume || !file.exists() {
            self.log(0, 0)?;
            return Ok(None);
        }
        let (tensors, metadata) = checkpoint::read(&file, None)?;
        weights::finite(&file, &tensors)?;
        let checkpoint = Checkpoint { file, tensors, metadata };
        match checkpoint.metadata.get("stage") {
            Some(found) if found == stage => {
                let after = checkpoint.number("step").map_or(0, |step| step + 1);
                self.log(checkpoint.number(LINES).unwrap_or(u64::MAX), after)?;
                Ok(Some(checkpoint))
            }
            found => {
                let (expected, found) = (format!("a checkpoint of {stage}"), format!("{found:?}"));
                let mend = "resume it with the command that began it";
                Err(Error::weights(&checkpoint.file, expected, found, mend))
            }
        }
    }
    /// Writes the checkpoint after `step` steps.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a tensor is not finite, [`Error::Io`] if the disk is full; the last
    /// checkpoint stays.
    pub fn save(&self, step: u64, tensors: &Tensors, metadata: &Metadata) -> Result<()> {
        self.finite(step, tensors)?;
        let mut metadata = metadata.clone();
        metadata.extend(self.origin.borrow().words());
        let told = self.log.borrow().as_ref().map(MetricsLog::bytes);
        metadata.extend(told.map(|bytes| (LINES.into(), bytes.to_string())));
        checkpoint::write(&self.checkpoint_file(), tensors, &metadata)
    }
    /// Opens the log, of which `keep` bytes about the steps before `from` stay.
    fn log(&self, keep: u64, from: u64) -> Result<()> {
        *self.log.borrow_mut() = Some(MetricsLog::open(&self.folder, keep, from)?);
        Ok(())
    }
    /// Writes the weights that the stage ended with after `step` steps, and words to go with them.
    ///
    /// # Errors
    /// As [`Run::save`].
    pub fn finish(&self, step: u64, tensors: Tensors, metadata: Metadata) -> Result<()> {
        self.finite(step, &tensors)?;
        weights::save(&self.weights_file(), tensors, metadata)
    }
    /// Refuses tensors that are not finite after `step` steps: the loss shows it only a step later.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the tensor.
    pub fn finite(&self, step: u64, tensors: &Tensors) -> Result<()> {
        match weights::not_finite(tensors) {
            None => Ok(()),
            Some((name, _)) => Err(Error::Diverged {
                step: step.saturating_sub(1),
                problem: format!("expected finite weights, found infinities or NaN in {name}"),
                mend: self.way_on(step),
            }),
        }
    }
    /// How to go on after a divergence.
    fn way_on(&self, step: u64) -> String {
        if step == 0 {
            let saved = self.saved();
            return format!(
                "{saved}; no step was taken yet: look at model.weights and at these films"
            );
        }
        format!("{}; try optim.lr with a tenth of the rate", self.saved())
    }
    /// What is saved, in words.
    pub fn saved(&self) -> String {
        match self.checkpoint_file().exists() {
            true => format!("the last good checkpoint is {}", self.checkpoint_file().display()),
            false => "no checkpoint was saved yet".into(),
        }
    }
    /// Writes a text file of the run, whole or not at all.
    ///
    /// # Errors
    /// The disk is full or the folder is not writable.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        file::replace(&self.folder.join(name), |file| file.write_all(text.as_bytes()))
    }
    /// Writes a text file of the run that names films and patients: only its owner may read it.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn write_private(&self, name: &str, text: &str) -> Result<()> {
        file::replace_private(&self.folder.join(name), |file| file.write_all(text.as_bytes()))
    }
    /// Writes a table of the run, whole or not at all: inert in a spreadsheet, and read by its owner alone.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn write_table(&self, name: &str, rows: impl Iterator<Item = Vec<String>>) -> Result<()> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let cells = rows.map(|row| row.into_iter().map(|cell| inert(&cell)).collect::<Vec<_>>());
        cells.for_each(|row| table.write_record(row).expect("memory takes every row"));
        let bytes = table.into_inner().expect("memory is flushed");
        self.write_private(name, &String::from_utf8(bytes).expect("rows are UTF-8"))
    }
    /// Writes a picture of the run, whole or not at all.
    ///
    /// # Errors
    /// The disk is full or the folder is not writable.
    pub fn write_png(&self, name: &str, picture: &GrayImage) -> Result<()> {
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)
            .map_err(|e| Error::io(folder, e, "name a folder that can be written"))?;
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).expect("memory takes every picture");
        file::replace(&path, |file| file.write_all(bytes.get_ref()))
    }
    /// Adds a line to `metrics.jsonl`, and its numbers to TensorBoard's events beside it.
    ///
    /// # Errors
    /// The disk is full or the folder is not writable.
    pub fn record(&self, value: &impl Serialize) -> Result<()> {
        if self.log.borrow().is_none() {
            self.log(u64::MAX, u64::MAX)?;
        }
        let value = serde_json::to_value(value).expect("metrics are plain data");
        self.log.borrow_mut().as_mut().expect("it is open").write(&value)
    }
    /// Adds films that could not be used to `bad_films.txt`, each once.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn list_bad(&self, bad: &[BadFilm]) -> Result<()> {
        let listed = fs::read_to_string(self.folder.join("bad_films.txt")).unwrap_or_default();
        let mut lines: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
        let known = lines.len();
        lines.extend(bad.iter().map(|b| format!("{}: {}", b.path.display(), b.why)));
        if lines.len() == known {
            return Ok(());
        }
        let found = lines.len() - known;
        self.watch.note(&format!("{found} films could not be used; bad_films.txt lists them"));
        self.write_private("bad_films.txt", &(Vec::from_iter(lines).join("\n") + "\n"))
    }
}

/// A checkpoint that a stage goes on from.
pub struct Checkpoint {
    /// Where it was read.
    pub file: PathBuf,
    /// All that training moves.
    pub tensors: Tensors,
    /// Words and numbers beside it.
    pub metadata: Metadata,
}

impl Checkpoint {
    /// The step that it was written after.
    ///
    /// # Errors
    /// Its metadata names none.
    pub fn step(&self) -> Result<u64> {
        self.number("step").ok_or_else(|| {
            let mend = "use a checkpoint that this program wrote";
            Error::weights(&self.file, "a `step` in the metadata", "none", mend)
        })
    }
    /// A number of the metadata, if it has it.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.metadata.get(key)?.parse().ok()
    }
}
