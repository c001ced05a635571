//! Training in f16.

use super::{Films, open};
use mtpret_engine::{
    gpu::{Command, DeviceOptions, Gpu, Launch, Matrices, Tuned, Variant},
    ops::sgd::Sgd,
    step::{Samples::Numbers, StepOptions},
    tensor::{Array, Philox, Step, Tensor},
};
use mtpret_pipeline::train::{Device, estimate::synthetic::SyntheticStep};

/// Steps of a curve.
const STEPS: u32 = 50;
/// How far the loss of a step may be from that in f32, as a share of the first loss: both learn the same films by heart, and a
/// difference of rounding grows from step to step before both arrive. Most is the fourth step, where the loss falls by two fifths:
/// 0.064.
const APART: f64 = 0.08;
/// The same in the mean over all steps.
const APART_IN_THE_MEAN: f64 = 0.01;

/// How features lie in memory, and what multiplies them.
#[derive(Clone, Copy, PartialEq)]
enum Features {
    F32,
    /// By kernels that widen what they multiply to f32.
    F16,
    /// By matrices of 16 × 16 f16, by hand: what is multiplied stays f16.
    Matrices,
}

fn synthetic(gpu: &Device) -> SyntheticStep {
    SyntheticStep::new(gpu, "resnet18", 8, [32; 2]).expect("a step")
}

fn device(features: Features) -> Device {
    let matrices = match features {
        Features::Matrices => Matrices::ByHand { side: 16, lanes: 32 },
        Features::F32 | Features::F16 => Matrices::Unused,
    };
    let options = DeviceOptions { matrices, ..DeviceOptions::default() };
    let step = StepOptions { half: features != Features::F32, ..StepOptions::default() };
    let gpu = Device { gpu: Gpu::open(options).expect("an adapter"), step };
    if features == Features::Matrices {
        gpu.trust_matrices(true);
        let first = synthetic(&gpu);
        let all = first.stepper.problems().values();
        let all = all.filter(|p| p.kernels.contains(&Variant::Coop) && p.name.ends_with("f16"));
        let coop = Tuned {
            kernel: Variant::Coop.to_string(),
            ms: [(Variant::Coop.to_string(), 0.0)].into(),
            wrong: Vec::new(),
        };
        gpu.adopt(all.map(|p| (p.name.clone(), coop.clone())).collect());
    }
    gpu
}

fn losses(features: Features) -> Vec<f64> {
    let gpu = device(features);
    let mut stepper = synthetic(&gpu).stepper;
    let count = |is: fn(&Launch) -> bool| {
        let of = |c: &&Command| matches!(c, Command::Launch(l) if is(l));
        stepper.programs()[0].commands().iter().filter(of).count()
    };
    let narrow = count(|l| l.constants.contains(&("HALF", 1)));
    assert_eq!(narrow > 100, features != Features::F32, "{narrow} launches in f16");
    let coop = count(|l| l.source.name.contains("coop"));
    assert_eq!(coop > 50, features == Features::Matrices, "{coop} launches of matrices");
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
    let all = [Features::F32, Features::F16, Features::Matrices].map(losses);
    let full = &all[0];
    println!("step, f32, f16, f16 by matrices");
    for step in 0..full.len() {
        println!("{}, {:.5}, {:.5}, {:.5}", step + 1, full[step], all[1][step], all[2][step]);
    }
    assert!(full[49] < 0.1 * full[0], "nothing was learned: {full:?}");
    for half in &all[1..] {
        let apart = full.iter().zip(half).map(|(a, b)| (a - b).abs() / full[0]);
        let apart: Vec<f64> = apart.collect();
        let most = apart.iter().copied().fold(0.0, f64::max);
        let mean = apart.iter().sum::<f64>() / apart.len() as f64;
        println!(
            "apart at most {most:.4}, in the mean {mean:.4}; {:.3} to {:.3}",
            half[0], half[49]
        );
        assert!(most <= APART && mean <= APART_IN_THE_MEAN, "{full:?}\n{half:?}");
        assert_ne!(full, half);
    }
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
