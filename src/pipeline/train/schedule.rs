//! The learning rate as a pure function of where a run stands.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the rate moves between `lr` (η_max) and `lr_min` (η_min) over one cycle of T steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// η = η_max.
    Constant,
    /// η = η_min + ½ (η_max − η_min) (1 + cos(π t / T)), T = the whole run (MoCo v2, per step).
    Cosine,
    /// η = η_min + ½ (η_max − η_min) (1 + cos(2π t / T)), MTPret Eq. 4 as printed: the rate
    /// starts at η_max, falls to η_min in mid-cycle and comes back, so that cycles join smoothly.
    Cyclic2pi,
    /// η = η_min + ½ (η_max − η_min) (1 + cos(π t / T)), begun anew each cycle (SGDR, Eq. 5).
    Sgdr,
}

/// What one cycle of `cyclic2pi` and `sgdr` spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One pass over the data of the task in hand, or one visit of another length.
    TaskEpoch,
    /// One pass over all tasks.
    Round,
    /// A number of steps, counted from the start of the run.
    Steps(u64),
}

/// Step `at` (from 0) of a stretch of `of` steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The step, from 0.
    pub at: u64,
    /// Length in steps; 0 counts as 1.
    pub of: u64,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Within the whole stage.
    pub run: Span,
    /// Within this pass over the data of the task in hand.
    pub epoch: Span,
    /// Within this pass over all tasks; a stage of one task gives its epoch.
    pub round: Span,
}

impl Progress {
    /// The cycle that `schedule` and `period` choose.
    pub fn cycle(&self, schedule: Schedule, period: Period) -> Span {
        match (schedule, period) {
            (Schedule::Constant | Schedule::Cosine, _) => self.run,
            (_, Period::TaskEpoch) => self.epoch,
            (_, Period::Round) => self.round,
            (_, Period::Steps(of)) => Span { at: self.run.at % of.max(1), of },
        }
    }
}

/// The rate at `cycle.at` of `cycle.of` steps, without warm-up.
pub fn rate(schedule: Schedule, lr: f64, lr_min: f64, cycle: Span) -> f64 {
    let turn = cycle.at as f64 / cycle.of.max(1) as f64;
    let angle = match schedule {
        Schedule::Constant => return lr,
        Schedule::Cosine | Schedule::Sgdr => PI * turn,
        Schedule::Cyclic2pi => 2.0 * PI * turn,
    };
    lr_min + 0.5 * (lr - lr_min) * (1.0 + angle.cos())
}

/// Linear warm-up: the factor (step + 1) / warmup_steps until it reaches 1.
pub fn warmup(step: u64, warmup_steps: u64) -> f64 {
    if step >= warmup_steps { 1.0 } else { (step + 1) as f64 / warmup_steps as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(schedule: Schedule, step: u64) -> f64 {
        rate(schedule, 0.5, 0.1, Span { at: step, of: 8 })
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn a_constant_rate_stays() {
        close(at(Schedule::Constant, 0), 0.5);
        close(at(Schedule::Constant, 7), 0.5);
    }

    #[test]
    fn cosine_and_sgdr_fall_over_half_a_turn() {
        for schedule in [Schedule::Cosine, Schedule::Sgdr] {
            close(at(schedule, 0), 0.5);
            close(at(schedule, 2), 0.1 + 0.2 * (1.0 + 0.5f64.sqrt()));
            close(at(schedule, 4), 0.3);
            close(at(schedule, 8), 0.1);
        }
    }

    #[test]
    fn equation_4_dips_in_mid_cycle_and_comes_back() {
        close(at(Schedule::Cyclic2pi, 0), 0.5);
        close(at(Schedule::Cyclic2pi, 1), 0.1 + 0.2 * (1.0 + 0.5f64.sqrt()));
        close(at(Schedule::Cyclic2pi, 2), 0.3);
        close(at(Schedule::Cyclic2pi, 4), 0.1);
        close(at(Schedule::Cyclic2pi, 8), 0.5);
    }

    #[test]
    fn a_cycle_counts_from_the_start_of_what_it_spans() {
        let progress = Progress {
            run: Span { at: 23, of: 100 },
            epoch: Span { at: 3, of: 10 },
            round: Span { at: 13, of: 40 },
        };
        let cycle = |schedule, period| progress.cycle(schedule, period);
        assert_eq!(cycle(Schedule::Cosine, Period::TaskEpoch), progress.run);
        assert_eq!(cycle(Schedule::Cyclic2pi, Period::TaskEpoch), progress.epoch);
        assert_eq!(cycle(Schedule::Sgdr, Period::Round), progress.round);
        assert_eq!(cycle(Schedule::Sgdr, Period::Steps(5)), Span { at: 3, of: 5 });
    }

    #[test]
    fn warm_up_climbs_in_equal_steps_to_one() {
        let factors: Vec<f64> = (0..6).map(|step| warmup(step, 4)).collect();
        assert_eq!(factors, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        assert_eq!(warmup(0, 0), 1.0);
    }

    #[test]
    fn an_empty_cycle_gives_a_finite_rate() {
        for schedule in [Schedule::Cosine, Schedule::Cyclic2pi, Schedule::Sgdr] {
            close(rate(schedule, 0.5, 0.1, Span { at: 0, of: 0 }), 0.5);
        }
    }
}
