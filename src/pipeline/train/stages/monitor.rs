//! The online metric of pretraining: whether the features tell the classes of a labelled set apart.

use super::{contrastive::Contrastive, finetune::REPLICATES};
use crate::{
    Result,
    data::{BadFilm, Dataset, Loader, Sample},
    metrics::{Bootstrap, Features, Vote, knn, linear_probe},
    train::{
        Device,
        config::{Data, Monitor, Pretrain},
        run::Run,
        tasks::{ClassifyTask, Task, inference::Inference, loading::in_order},
    },
};
use mtpret_engine::autograd::{Mode, Tape};
use std::time::Instant;

/// The online figure: nearest neighbours and a linear probe on f_q's features of a labelled set.
pub(in crate::train) struct Online {
    features: Inference,
    task: ClassifyTask,
    train: Vec<Sample>,
    val: Vec<Sample>,
    k: usize,
    data: Data,
    seed: u64,
}

#[derive(serde::Serialize)]
struct OnlineReading {
    stage: &'static str,
    step: u64,
    source: String,
    knn_auc: Option<f64>,
    knn_interval: Option<[f64; 2]>,
    probe_auc: Option<f64>,
    probe_interval: Option<[f64; 2]>,
}

impl Online {
    /// For the labelled source that `monitor` names.
    ///
    /// # Errors
    /// It has no labels or no validation films.
    pub fn new(
        gpu: &Device,
        config: &Pretrain,
        method: &dyn Contrastive,
        monitor: &Monitor,
        sets: &[Dataset],
    ) -> Result<Self> {
        let named = config.source.iter().zip(sets).find(|(s, _)| s.name == monitor.source);
        let (source, set) = named.expect("the configuration was checked to name a source");
        let features = Inference::new(gpu, &config.data, |rec, x, _| {
            let (encoder, state) = method.encoder();
            let tape = Tape::new(rec, &state.network, Mode::Eval);
            Ok(vec![encoder.features(&tape, &tape.input(x))?.value])
        })?;
        let task = ClassifyTask::new(source, set, &config.data, Default::default())?;
        set.needs("val", &set.val)?;
        let (train, val) = (set.train.clone(), set.val.clone());
        let (data, seed) = (config.data.clone(), config.seed);
        Ok(Self { features, task, train, val, k: monitor.k, data, seed })
    }
    /// Computes the figures as they are after `step` steps, and records them.
    ///
    /// # Errors
    /// Films that cannot be read, or a lost device.
    pub fn read(&mut self, run: &Run, step: u64) -> Result<()> {
        let (train, val) = (self.train.clone(), self.val.clone());
        let (train, val) = (self.rows(&train)?, self.rows(&val)?);
        run.list_bad(&[&train.bad[..], &val.bad].concat())?;
        let [(knn_auc, knn_interval), (probe_auc, probe_interval)] = self.figures(&train, &val)?;
        run.watch.note(&format!(
            "monitor {} after {step} steps: kNN AUC {}, linear probe AUC {}",
            self.task.name(),
            shown(knn_auc, knn_interval),
            shown(probe_auc, probe_interval)
        ));
        run.record(&OnlineReading {
            stage: "monitor",
            step,
            source: self.task.name().to_owned(),
            knn_auc,
            knn_interval,
            probe_auc,
            probe_interval,
        })
    }

    /// Seconds that a reading will take, by what a few batches take now.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn seconds(&mut self) -> Result<f64> {
        let all = self.train.len() + self.val.len();
        // From all over the set, so that every class is met.
        let every = (self.train.len() / (4 * self.data.batch)).max(1);
        let some: Vec<Sample> = self.train.iter().step_by(every).cloned().collect();
        self.rows(&some[..1])?;
        let begun = Instant::now();
        let rows = self.rows(&some)?;
        let forward = begun.elapsed().as_secs_f64() / some.len() as f64;
        let begun = Instant::now();
        self.figures(&rows, &rows)?;
        let fitted = begun.elapsed().as_secs_f64() / some.len() as f64;
        Ok(forward * all as f64 + fitted * self.train.len() as f64)
    }
    /// The features of films.
    fn rows(&mut self, samples: &[Sample]) -> Result<Rows> {
        let (mut read, mut values) = (Vec::new(), Vec::new());
        let mut loader = Loader::new(samples.to_vec(), in_order(&self.data))?;
        self.features.run(&mut loader, samples, |predicted| {
            read.push(predicted.sample.clone());
            values.extend(predicted.row);
            Ok(())
        })?;
        Ok(Rows { read, values, bad: loader.bad() })
    }
    /// AUC and interval of nearest neighbours, and of a linear probe.
    fn figures(&self, train: &Rows, val: &Rows) -> Result<[Auc; 2]> {
        let width = train.values.len() / train.read.len().max(1);
        let targets: Vec<f64> = train.read.iter().flat_map(|s| self.task.indicator(s)).collect();
        let samples: Vec<&Sample> = val.read.iter().collect();
        let [train, val] = [train, val].map(|rows| Features { values: &rows.values, width });
        let vote = Vote::Similarity { temperature: 0.07 };
        let near = knn(train, &targets, val, self.k, vote)?;
        let probe = linear_probe(train, &targets, val, 1.0)?;
        let bootstrap = Bootstrap { replicates: REPLICATES, seed: self.seed };
        Ok([
            self.task.auc(&samples, &near, bootstrap)?,
            self.task.auc(&samples, &probe, bootstrap)?,
        ])
    }
}

/// An area under the ROC curve and its interval; none where it is undefined.
type Auc = (Option<f64>, Option<[f64; 2]>);

/// Films that could be read, their features, and films that could not.
struct Rows {
    read: Vec<Sample>,
    values: Vec<f32>,
    bad: Vec<BadFilm>,
}

/// A figure and its interval, in words.
fn shown(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match (value, interval) {
        (Some(value), Some([low, high])) => format!("{value:.3} ({low:.3}–{high:.3})"),
        (Some(value), None) => format!("{value:.3}"),
        (None, _) => "undefined".into(),
    }
}
