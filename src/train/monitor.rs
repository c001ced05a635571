//! The online figure of pretraining: whether the features tell the classes of a labelled set apart.

use super::{
    config::{Data, Monitor, Pretrain},
    finetune::REPLICATES,
    inference::Inference,
    metrics::{Bootstrap, Features, Vote, knn, linear_probe},
    pretrain::Contrastive,
    run::{Run, in_order},
    task::{Classify, Task},
};
use crate::{
    Result,
    autograd::{Mode, Tape},
    data::{Dataset, Loader, Sample},
    gpu::Gpu,
};

/// The online figure: nearest neighbours and a linear probe on f_q's features of a labelled set.
pub(super) struct Online {
    features: Inference,
    task: Classify,
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
        gpu: &Gpu,
        config: &Pretrain,
        method: &dyn Contrastive,
        monitor: &Monitor,
        sets: &[Dataset],
    ) -> Result<Self> {
        let named = config.source.iter().zip(sets).find(|(s, _)| s.name == monitor.source);
        let (source, set) = named.expect("the configuration was checked to name a source");
        let features = Inference::new(gpu, &config.data, |rec, x, _| {
            let (encoder, state) = method.encoder();
            let tape = Tape::new(rec, state, Mode::Eval);
            Ok(vec![encoder.features(&tape, &tape.input(x))?.value])
        })?;
        let task = Classify::new(source, set, &config.data)?;
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
        let mut rows = |samples: &[Sample]| -> Result<(Vec<Sample>, Vec<f32>)> {
            let (mut read, mut rows) = (Vec::new(), Vec::new());
            let mut loader = Loader::new(samples.to_vec(), in_order(&self.data))?;
            self.features.run(&mut loader, samples, |predicted| {
                read.push(predicted.sample.clone());
                rows.extend(predicted.row);
                Ok(())
            })?;
            run.list_bad(&loader.bad())?;
            Ok((read, rows))
        };
        let (of_train, train) = rows(&self.train)?;
        let (of_val, val) = rows(&self.val)?;
        let width = train.len() / of_train.len().max(1);
        let targets: Vec<f64> = of_train.iter().flat_map(|s| self.task.indicator(s)).collect();
        let samples: Vec<&Sample> = of_val.iter().collect();
        let (train, val) = (Features { values: &train, width }, Features { values: &val, width });
        let vote = Vote::Similarity { temperature: 0.07 };
        let near = knn(train, &targets, val, self.k, vote)?;
        let probe = linear_probe(train, &targets, val, 1.0)?;
        let bootstrap = Bootstrap { replicates: REPLICATES, seed: self.seed };
        let (knn_auc, knn_interval) = self.task.auc(&samples, &near, bootstrap)?;
        let (probe_auc, probe_interval) = self.task.auc(&samples, &probe, bootstrap)?;
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
}

/// A figure and its interval, in words.
fn shown(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match (value, interval) {
        (Some(value), Some([low, high])) => format!("{value:.3} ({low:.3}–{high:.3})"),
        (Some(value), None) => format!("{value:.3}"),
        (None, _) => "undefined".into(),
    }
}
