//! A run: its folder, what it writes there, and the person who watches it.

pub mod environment;
pub mod films;
mod lock;
pub mod log;
mod origin;
mod pace;
mod resumed;
pub mod tensorboard;
mod watch;

pub use lock::{hold, hold_run};
pub use pace::Pace;
pub use resumed::Checkpoint;
pub use watch::{Reading, Watch};

use self::{
    environment::{Ended, Environment, Open, StepTime},
    lock::Lock,
    log::MetricsLog,
    origin::{CONFIG, FILMS, Origin},
};
use crate::{
    Error, Result,
    data::{BadFilm, Dataset, spreadsheet::table},
    train::{Device, config},
    weights::{
        self,
        checkpoint::{self, Metadata, Tensors},
    },
};
use image::GrayImage;
use mtpret_engine::{file, gpu::Gpu, step::Stepper};
use serde::Serialize;
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// In a checkpoint's metadata, the bytes of `metrics.jsonl` when it was written.
const LINES: &str = "metrics_bytes";

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
        metadata.extend(self.origin.borrow().metadata());
        let told = self.log.borrow().as_ref().map(MetricsLog::bytes);
        metadata.extend(told.map(|bytes| (LINES.into(), bytes.to_string())));
        checkpoint::write(&self.checkpoint_file(), tensors, &metadata)
    }
    /// Opens the log, of which `keep` bytes about the steps before `from` stay.
    fn log(&self, keep: u64, from: u64) -> Result<()> {
        *self.log.borrow_mut() = Some(MetricsLog::open(&self.folder, keep, from)?);
        Ok(())
    }
    /// Writes the weights that the stage ended with after `step` steps, and metadata to go with them.
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
        self.write_private(name, &table(rows))
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
    /// Does the work of a stage, and notes what it ran on and where its time went: `environment.json`.
    ///
    /// # Errors
    /// What `work` gives, the device is lost, or the file cannot be written.
    pub fn process<T>(&self, gpu: &Device, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = match self.resume {
            true => Environment::read(&self.folder)?.unwrap_or_default(),
            false => Environment::default(),
        };
        gpu.watch_peak()?;
        let open = Open::new(before, gpu);
        self.write(environment::FILE, &open.json())?;
        *self.open.borrow_mut() = Some(open);
        let result = work();
        let mut open = self.open.borrow_mut().take().expect("the work leaves it");
        let known = open.environment.data.clone();
        let closed = open.close(result.is_ok());
        if !known.is_empty() && open.environment.data != known {
            self.watch.note("the films are not those that the run began with: environment.json");
        }
        closed.and(self.write(environment::FILE, &open.json())).and(result)
    }
    /// Says what the stage took in all, aloud and in the last line of its metrics.
    ///
    /// # Errors
    /// As [`Run::record`].
    pub fn ended(&self, gpu: &Device, stage: &str, step: u64) -> Result<()> {
        let Some(seconds) = self.open.borrow().as_ref().map(Open::seconds) else { return Ok(()) };
        let peak_memory_mib = gpu.peak() >> 20;
        self.watch.note(&format!(
            "{stage}: {step} steps in {seconds:.1} s, at most {peak_memory_mib} MiB of device memory"
        ));
        self.record(&Ended { stage, step, seconds, peak_memory_mib })
    }
    /// Has the films of the stage read beside its work, for the digests of their parts.
    fn digest(&self, sets: &[Dataset]) {
        if let Some(open) = &mut *self.open.borrow_mut() {
            open.digest(sets);
        }
    }
    /// Notes the time that something took.
    pub fn spent(&self, on: &str, time: Duration) {
        if let Some(open) = &mut *self.open.borrow_mut() {
            *open.process().seconds.entry(on.into()).or_default() += time.as_secs_f64();
        }
    }
    /// Does `work` and notes the time that it took.
    ///
    /// # Errors
    /// What `work` gives.
    pub fn timed<T>(&self, on: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let result = work();
        self.spent(on, begun.elapsed());
        result
    }
    /// Notes for how many shapes the fastest kernel was known.
    pub fn tuned(&self, [known, shapes]: [usize; 2]) {
        if let Some(open) = &mut *self.open.borrow_mut() {
            open.process().tuned = [known, shapes];
        }
    }
    /// Notes what the kernels of a step take.
    ///
    /// # Errors
    /// The device is lost.
    pub fn profile(&self, name: &str, stepper: &Stepper) -> Result<()> {
        if let Some(open) = &mut *self.open.borrow_mut() {
            let (name, kernels) = (name.to_owned(), stepper.kernels()?);
            open.process().steps.push(StepTime { name, kernels });
        }
        Ok(())
    }
    /// Writes the configuration that the run really has. One that differs from what the run began with waits for
    /// [`Run::settle`].
    ///
    /// # Errors
    /// As [`Run::write`], or TOML cannot express it.
    pub fn write_config(&self, config: &impl Serialize) -> Result<()> {
        let text = config::resolved(config)?;
        let before = fs::read_to_string(self.folder.join(CONFIG)).ok().filter(|_| self.resume);
        match self.origin.borrow_mut().meets_config(before, text) {
            Some(text) => self.write(CONFIG, &text),
            None => Ok(()),
        }
    }
    /// Notes which films the stage has and what it runs on, and holds them to what the run began with.
    ///
    /// # Errors
    /// As [`Run::settle`].
    pub fn has(&self, gpu: &Gpu, sets: &[Dataset]) -> Result<()> {
        let before = fs::read_to_string(self.folder.join(FILMS)).unwrap_or_default();
        let same_bytes =
            || self.open.borrow().as_ref().is_some_and(|open| open.has_same_bytes(sets));
        self.origin.borrow_mut().meets_films(&before, sets, self.is_done(), same_bytes);
        self.origin.borrow_mut().meets_adapter(gpu);
        self.settle()?;
        for (set, warning) in sets.iter().flat_map(|s| s.warnings.iter().map(move |w| (s, w))) {
            self.watch.note(&format!("warning: data set {}: {warning}", set.name));
        }
        self.digest(sets);
        Ok(())
    }
    /// Notes which kernels steps take, and into how many parts they cut a batch, and holds that to what the run began with.
    ///
    /// # Errors
    /// As [`Run::settle`].
    pub fn steps_by<'s>(
        &self,
        gpu: &Gpu,
        steppers: impl IntoIterator<Item = &'s Stepper>,
    ) -> Result<()> {
        self.origin.borrow_mut().meets_steps(gpu, steppers);
        self.settle()
    }
    /// Says how what is now differs from what the run began with, and goes on only if that is accepted.
    ///
    /// # Errors
    /// [`Error::Changed`] with all that differs; or the folder cannot be written.
    pub fn settle(&self) -> Result<()> {
        let mut origin = self.origin.borrow_mut();
        for difference in origin.accepted(&self.folder, self.accept_changes)? {
            self.watch.note(&format!("changed since the run began, and accepted: {difference}"));
        }
        origin.pending().iter().try_for_each(|(name, text)| match *name {
            // It names every film.
            FILMS => self.write_private(name, text),
            name => self.write(name, text),
        })
    }
}
