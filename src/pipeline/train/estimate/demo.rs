//! How long a demo will take by the time of its steps here and now, and how much of it fits the minutes there are.

use super::dry_run::{self, DryRun};
use crate::{
    Result,
    train::{
        Device,
        config::{Demo, Visit},
    },
};

/// Below this share of a task's training it is better to leave the last task out.
const HALF: f64 = 0.5;

/// A dry run of every stage of a demo.
pub struct DemoEstimate {
    pretrain: DryRun,
    /// Of each task, in the order in which the configuration names them.
    multitask: Vec<DryRun>,
    finetune: Vec<DryRun>,
}

impl DemoEstimate {
    /// Times a few steps of every stage.
    ///
    /// # Errors
    /// Whatever would stop a stage before its first step.
    pub fn dry_run(gpu: &Device, config: &Demo) -> Result<Self> {
        let finetune = |task: &String| dry_run::finetune(gpu, &config.finetune(task, None));
        Ok(Self {
            pretrain: dry_run::pretrain(gpu, &config.pretrain())?,
            multitask: dry_run::multitask(gpu, &config.multitask(None))?,
            finetune: config.multitask.tasks.iter().map(finetune).collect::<Result<_>>()?,
        })
    }
    /// Seconds of pretraining, multitask learning and fine-tuning, of whose runs each task has so many.
    pub fn seconds(&self, config: &Demo, runs: usize) -> [f64; 3] {
        let tasks = &config.multitask.tasks;
        let visits =
            self.multitask.iter().zip(&self.finetune).filter(|(v, _)| tasks.contains(&v.name));
        let visits = visits.map(|(visit, tuning)| {
            let steps = config.multitask.visit.steps(tuning.steps) as f64;
            visit.seconds(config.multitask.rounds as u64) * steps / visit.steps as f64
        });
        let tuning = self.finetune.iter().filter(|tuning| tasks.contains(&tuning.name));
        let tuning = tuning.map(|tuning| {
            let epochs = config.finetune(&tuning.name, None).epochs;
            tuning.seconds(epochs as u64) * runs as f64
        });
        [self.pretrain.seconds(config.pretrain.epochs as u64), visits.sum(), tuning.sum()]
    }
    /// Makes the demo as much shorter as it must be to end within so many seconds: fewer passes, then without its last tasks.
    /// Where even the least takes longer, that is what is left, and false.
    pub fn fit(&self, config: &mut Demo, runs: usize, seconds: f64) -> bool {
        let whole = config.clone();
        for tasks in (1..=whole.multitask.tasks.len()).rev() {
            for tenths in (1..=10).rev() {
                let share = f64::from(tenths) / 10.0;
                if share < HALF && tasks > 1 {
                    break;
                }
                *config = self.shortened(&whole, tasks, share);
                if self.seconds(config, runs).iter().sum::<f64>() <= seconds {
                    return true;
                }
            }
        }
        false
    }
    /// The first tasks of a demo, and a share of its passes.
    fn shortened(&self, whole: &Demo, tasks: usize, share: f64) -> Demo {
        let mut config = whole.clone();
        config.multitask.tasks.truncate(tasks);
        config.forget_absent_tasks();
        if share == 1.0 {
            return config;
        }
        let passes = |epochs: usize| ((epochs as f64 * share).round() as usize).max(1);
        config.pretrain.epochs = passes(config.pretrain.epochs);
        config.finetune.epochs = passes(config.finetune.epochs);
        for target in config.target.values_mut() {
            target.epochs = target.epochs.map(passes);
        }
        let visit = |tuning: &DryRun| whole.multitask.visit.steps(tuning.steps);
        let shortest = self.finetune[..tasks].iter().map(visit).min().unwrap_or(1);
        let steps = (shortest as f64 * share).ceil() as u64;
        config.multitask.visit = Visit::Steps(steps.max(1));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::{self, Stage};
    use std::path::Path;

    /// Ten steps an epoch, a second each, for every stage.
    fn plan(config: &Demo) -> DemoEstimate {
        let of = |name: &str| DryRun {
            name: name.into(),
            films: 160,
            steps: 10,
            epochs: 1,
            first_epoch_seconds: 10.0,
            epoch_seconds: 10.0,
            once_seconds: 0.0,
            mib: 0,
        };
        let tasks: Vec<DryRun> = config.multitask.tasks.iter().map(|task| of(task)).collect();
        DemoEstimate { pretrain: of("pretrain"), multitask: tasks.clone(), finetune: tasks }
    }

    fn demo() -> Demo {
        let settings = [
            "multitask.tasks=[\"pneumonia\",\"lungs\"]",
            "multitask.visit=epoch",
            "multitask.rounds=1",
            "pretrain.epochs=2",
            "finetune.epochs=4",
            "target={lungs={epochs=2}}",
        ];
        config::load(Path::new("demo"), &settings.map(String::from)).expect("it is whole")
    }

    #[test]
    fn seconds_are_those_of_every_pass() {
        let config = demo();
        assert_eq!(plan(&config).seconds(&config, 2), [20.0, 20.0, 120.0]);
    }

    #[test]
    fn fewer_minutes_first_mean_fewer_passes_and_then_fewer_tasks() {
        let whole = demo();
        let plan = plan(&whole);
        for (seconds, tasks) in [(1000.0, 2), (160.0, 2), (100.0, 2), (60.0, 1), (31.0, 1)] {
            let mut config = whole.clone();
            assert!(plan.fit(&mut config, 2, seconds), "{seconds}");
            assert!(plan.seconds(&config, 2).iter().sum::<f64>() <= seconds);
            config.validate().expect("what is left is whole");
            assert_eq!(config.multitask.tasks.len(), tasks, "{seconds}");
            assert_eq!(config == whole, seconds >= 160.0);
        }
        let mut config = whole.clone();
        assert!(!plan.fit(&mut config, 2, 1.0));
        assert_eq!((config.multitask.tasks.len(), config.finetune.epochs), (1, 1));
    }
}
