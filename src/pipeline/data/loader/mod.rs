//! Loader: films in batches, decoded ahead of use.

mod batch;
mod order;
mod pack;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rayon::prelude::*;

use super::{Annotation, Fit, FittedFilm, MAX_SIDE, Sample, film::image::Misfit};
use crate::{Error, Result};

pub use batch::Batch;
use order::permutation;
use pack::PackedFilms;
pub use pack::{PackSummary, PackedPart, pack};

/// Options of a [`Loader`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Number of pixels a row, after resizing.
    pub width: usize,
    /// Number of rows, after resizing.
    pub height: usize,
    /// Way in which a film comes to that size.
    pub fit: Fit,
    /// Number of films a batch.
    pub batch: usize,
    /// Seed of the order; with the epoch it is all that the order depends on.
    pub seed: u64,
    /// Whether each epoch has a new order (training); otherwise the order given (evaluation).
    pub shuffle: bool,
    /// Whether to leave out the last batch of an epoch if it is not full.
    pub drop_last: bool,
    /// Number of threads that decode; 0 is one per processor.
    pub threads: usize,
    /// Number of bytes of memory for decoded and resized films.
    pub cache_bytes: usize,
    /// A file that [`pack`] wrote, from which films are taken in place of decoding them.
    pub pack: Option<PathBuf>,
    /// Number of batches that are made ready ahead of use.
    pub prefetch: usize,
    /// Number of films that may turn out bad before it is an error.
    pub max_bad: usize,
    /// Number of the step to begin at, counted over epochs, so that a run resumes with its next
    /// batch.
    pub start: u64,
}

/// A film that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFilm {
    /// The file.
    pub path: PathBuf,
    /// Description of what was expected and what was found.
    pub why: String,
}

/// Loader of batches without end, epoch after epoch; [`Loader::epoch_len`] of them are one pass.
///
/// Batch `step` is a function of samples, size, seed and `step` alone, whatever the number of
/// threads and wherever the loader began. A bad film is replaced, when shuffling, by the next good
/// film behind its batch in the epoch's order, so that no film meets itself; without shuffling it
/// is left out, so that no film counts twice.
pub struct Loader {
    plan: Arc<Plan>,
    ready: Option<Receiver<LoadedBatch>>,
    reader: Option<JoinHandle<()>>,
    wait: Duration,
    bad: BTreeMap<usize, String>,
}

/// A batch and the bad films met on the way, by number.
struct LoadedBatch {
    batch: Batch,
    bad: Vec<(usize, Misfit)>,
}

struct Plan {
    samples: Vec<Sample>,
    row_len: usize,
    options: LoaderOptions,
    packed: Option<PackedFilms>,
    cache: Mutex<Cache>,
}

/// Decoded and resized films, and the faults of bad ones, by number.
#[derive(Default)]
struct Cache {
    films: HashMap<usize, Result<Arc<FittedFilm>, Misfit>>,
    bytes: usize,
}

impl Loader {
    /// Begins to read `samples` in the background.
    ///
    /// # Errors
    /// [`Error::Config`] if a size is 0 or too large, or if there is no full batch where only full
    /// ones are wanted; [`Error::Data`] without samples, with targets of different kinds or
    /// lengths, or if the pack is damaged or lacks a film; [`Error::Io`] if it cannot be read.
    pub fn new(samples: Vec<Sample>, options: LoaderOptions) -> Result<Self> {
        check(&samples, &options)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|i| format!("decode-{i}"))
            .build()
            .map_err(|e| {
                Error::config("loader, threads", "threads", format!("none: {e}"), "ask for fewer")
            })?;
        let open = |path: &PathBuf| {
            PackedFilms::open(path, &samples, options.fit, [options.width, options.height])
        };
        let packed = options.pack.as_ref().map(open).transpose()?;
        let plan = Arc::new(Plan {
            row_len: row_len(&samples, &options),
            packed,
            samples,
            options,
            cache: Mutex::default(),
        });
        let (sender, ready) = sync_channel(plan.options.prefetch);
        let reader = std::thread::spawn({
            let plan = Arc::clone(&plan);
            move || pool.install(|| plan.serve(&sender))
        });
        let (wait, bad) = (Duration::ZERO, BTreeMap::new());
        Ok(Self { plan, ready: Some(ready), reader: Some(reader), wait, bad })
    }

    /// The next batch.
    ///
    /// # Errors
    /// [`Error::Data`] that lists the bad films once they are more than
    /// [`LoaderOptions::max_bad`].
    pub fn next_batch(&mut self) -> Result<Batch> {
        let begun = Instant::now();
        let ready = self.ready.as_ref().expect("open until drop");
        let made = ready.recv().expect("the reader serves as long as it is heard");
        self.wait += begun.elapsed();
        self.bad.extend(made.bad.into_iter().map(|(at, why)| (at, why.to_string())));
        if self.bad.len() > self.plan.options.max_bad {
            return Err(self.too_many_bad());
        }
        Ok(made.batch)
    }

    /// Number of batches an epoch.
    pub fn epoch_len(&self) -> u64 {
        self.plan.epoch_len()
    }

    /// Length of one row of [`Batch::targets`]; for boxes, five for each on the film
    /// that has most of them.
    pub fn row_len(&self) -> usize {
        self.plan.row_len
    }

    /// The time that [`Loader::next_batch`] has spent waiting for films, in all.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// The bad films met so far, by sample number.
    pub fn bad(&self) -> Vec<BadFilm> {
        let film = |(&at, why): (&usize, &String)| BadFilm {
            path: self.plan.samples[at].path.clone(),
            why: why.clone(),
        };
        self.bad.iter().map(film).collect()
    }

    fn too_many_bad(&self) -> Error {
        let shown = 20;
        let mut list: Vec<String> = self
            .bad()
            .into_iter()
            .take(shown)
            .map(|film| format!("{}: {}", film.path.display(), film.why))
            .collect();
        if self.bad.len() > shown {
            list.push(format!("and {} more", self.bad.len() - shown));
        }
        Error::data(
            format!("{} films", self.plan.samples.len()),
            format!("at most {} bad films", self.plan.options.max_bad),
            format!("{}:\n  {}", self.bad.len(), list.join("\n  ")),
            "mend or remove them, or allow more (`max_bad`)",
        )
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // The reader ends when nobody hears it; it must not outlive the loader.
        drop(self.ready.take());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Plan {
    fn epoch_len(&self) -> u64 {
        let (films, batch) = (self.samples.len(), self.options.batch);
        let batches = if self.options.drop_last { films / batch } else { films.div_ceil(batch) };
        batches as u64
    }

    /// Makes batch after batch until nobody hears.
    fn serve(&self, ready: &SyncSender<LoadedBatch>) {
        let mut order = (0..self.samples.len()).collect::<Vec<_>>();
        let mut ordered = None;
        for step in self.options.start.. {
            let epoch = step / self.epoch_len();
            if self.options.shuffle && ordered != Some(epoch) {
                order = permutation(self.samples.len(), self.options.seed, epoch);
                ordered = Some(epoch);
            }
            if ready.send(self.make(step, epoch, &order)).is_err() {
                return;
            }
        }
    }

    fn make(&self, step: u64, epoch: u64, order: &[usize]) -> LoadedBatch {
        let from = (step % self.epoch_len()) as usize * self.options.batch;
        let to = (from + self.options.batch).min(order.len());
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        // Decoded side by side; the films behind the batch only if one of its own is bad.
        let own = order[from..to].par_iter().map(|&at| self.film(at)).collect::<Vec<_>>();
        let spares = if self.options.shuffle { order.len() } else { 0 };
        let spare = order.iter().cycle().skip(to).take(spares).map(|&at| self.film(at));
        let numbers = order.iter().cycle().skip(from);
        for (&at, film) in numbers.zip(own.into_iter().chain(spare)) {
            match film {
                Ok(film) => good.push((at, film)),
                Err(why) => bad.push((at, why)),
            }
            if good.len() == to - from || bad.len() > self.options.max_bad {
                break;
            }
        }
        let batch = Batch::new([step, epoch], good, &self.samples, self.row_len);
        LoadedBatch { batch, bad }
    }

    /// Film `at`, decoded and resized, from memory, the pack or its file.
    fn film(&self, at: usize) -> Result<Arc<FittedFilm>, Misfit> {
        if let Some(known) = self.cache().films.get(&at) {
            return known.clone();
        }
        let input = [self.options.width, self.options.height];
        let film = match &self.packed {
            Some(packed) => packed.film(at, input[0] * input[1]),
            None => FittedFilm::read(&self.samples[at], self.options.fit, input),
        };
        let film = film.map(Arc::new);
        let bytes = film.as_ref().map_or(0, |film| film.bytes());
        let mut cache = self.cache();
        if cache.bytes + bytes <= self.options.cache_bytes {
            cache.bytes += bytes;
            cache.films.insert(at, film.clone());
        }
        film
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // The cache is whole between statements, so a panic elsewhere does not spoil it.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(samples: &[Sample], options: &LoaderOptions) -> Result<()> {
    for (key, side) in [("width", options.width), ("height", options.height)] {
        if side == 0 || side > MAX_SIDE {
            return Err(Error::config(
                format!("loader, {key}"),
                format!("1 to {MAX_SIDE} pixels"),
                side.to_string(),
                "choose a size such as 224",
            ));
        }
    }
    let Some(first) = samples.first() else {
        return Err(Error::data(
            "loader",
            "films",
            "none",
            "see that this part of the data set is not empty",
        ));
    };
    check_targets(samples, first)?;
    let (films, batch) = (samples.len(), options.batch);
    if batch == 0 || (options.drop_last && films < batch) {
        return Err(Error::config(
            "loader, batch",
            format!("a batch of 1 to {films} films"),
            batch.to_string(),
            "choose a smaller batch (data.batch, segment.batch or detect.batch), or add films",
        ));
    }
    Ok(())
}

/// Checks that targets are of one kind, and labels of one length.
fn check_targets(samples: &[Sample], first: &Sample) -> Result<()> {
    let about = |sample: &Sample| match &sample.target {
        Annotation::Labels(labels) => format!("{} labels", labels.len()),
        Annotation::Mask { .. } | Annotation::Polygons { .. } => "a mask".into(),
        Annotation::Boxes { .. } => "boxes".into(),
    };
    match samples.iter().find(|sample| about(sample) != about(first)) {
        None => Ok(()),
        Some(odd) => Err(Error::data(
            odd.path.as_path(),
            about(first),
            about(odd),
            "load data sets with different labels one by one",
        )),
    }
}

fn row_len(samples: &[Sample], options: &LoaderOptions) -> usize {
    let pixels = options.width * options.height;
    samples.iter().map(|sample| sample.target.row_len(pixels)).max().unwrap_or(0)
}
