//! Training in f16.

use super::{Films, open};
use mtpret_engine::{
    gpu::Command,
    ops::sgd::Sgd,
    step::{Samples::Numbers, StepOptions},
    tensor::{Array, Philox, Step, Tensor},
};
use mtpret_pipeline::train::estimate::synthetic::SyntheticStep;

/// Steps of a curve.
const STEPS: u32 = 50;
/// How far the loss of a step may be from that in f32, as a share of the first loss: both learn the same films by heart, and a
/// difference of rounding grows from step to step before both arrive.
const APART: f64 = 0.05;
/// The same in the mean over all steps.
const APART_IN_THE_MEAN: f64 = 0.01;

fn losses(half: bool) -> Vec<f64> {
    let gpu = super::with(StepOptions { half, ..StepOptions::default() });
    let mut stepper = SyntheticStep::new(&gpu, "resnet18", 8, [32; 2]).expect("a step").stepper;
    let narrow =
        |c: &Command| matches!(c, Command::Launch(l) if l.constants.contains(&("HALF", 1)));
    let count = stepper.programs()[0].commands().iter().filter(|c| narrow(c)).count();
    assert_eq!(count > 100, half, "{count} launches in f16");
    let mut draw = Philox::new(3, 0);
    let greys: Vec<u8> = (0..8 * 32 * 32).map(|_| draw.below(256) as u8).collect();
    let targets: Vec<f32> = (0..8).map(|i| i as f32).collect();
    // The same step again and again, so that every film is seen from the same side.
    let now = Step { lr: 0.002, ..Step::default() };
    let step = |_| {
        let films = Films::of(&greys, 32 * 32);
        let fields = [Numbers(&targets), Numbers(&[32.0; 16]), films];
        stepper.run(&now, &fields).expect("a step runs");
        f64::from(stepper.read_meter().expect("the device answers").last)
    };
    (0..STEPS).map(step).collect()
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn fifty_steps_in_f16_follow_those_in_f32() {
    let (full, half) = (losses(false), losses(true));
    let apart: Vec<f64> = full.iter().zip(&half).map(|(a, b)| (a - b).abs() / full[0]).collect();
    let most = apart.iter().copied().fold(0.0, f64::max);
    let mean = apart.iter().sum::<f64>() / apart.len() as f64;
    println!("apart at most {most:.4}, in the mean {mean:.4}; {:.3} to {:.3}", full[0], full[49]);
    assert!(full[49] < 0.1 * full[0], "nothing was learned: {full:?}");
    assert!(most <= APART && mean <= APART_IN_THE_MEAN, "{full:?}\n{half:?}");
    assert_ne!(full, half);
}

#[test]
fn a_step_whose_gradients_overflowed_moves_nothing() {
    let gpu = open();
    let of = |v: f64| Tensor::upload(&gpu, &Array::new(&[4], vec![v; 4])).expect("memory");
    for skip in [0, 1] {
        let (w, g, v) = (of(1.0), of(0.5), of(0.25));
        let step = Step { lr: 0.1, skip, ..Step::default() }.upload(&gpu).expect("memory");
        let sgd = Sgd { momentum: 0.9, decay: 0.0, alpha: 0.0 };
        gpu.eager(|rec| sgd.step(rec, &w.data, &g.data, &v.data, None, &step)).expect("an update");
        let read = |t: &Tensor| -> f32 {
            bytemuck::pod_collect_to_vec(&gpu.read(&t.data).expect("a reading"))[0]
        };
        let moved = (read(&w), read(&v)) != (1.0, 0.25);
        assert_eq!(moved, skip == 0, "{} {}", read(&w), read(&v));
    }
}
