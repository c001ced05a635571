//! Updates of weights: L²-SP, moving average, the rate in the step's record.

use super::{open, optim};
use mtpret_engine::{
    gpu::{Program, Recording},
    ops::ema::Ema,
    step::TrainState,
    tensor::{Array, Group, Init, Order, Scope, State, Step, Tensor},
};
use mtpret_pipeline::{
    models::{BACKBONE, head},
    train::{
        config::{self, Anchor, AnchorAt, L2sp, Optim},
        step::optimizer::Update,
    },
};

/// α, β and the momentum of the updates below.
const ALPHA: f64 = 0.5;
const BETA: f64 = 0.25;
const MOMENTUM: f64 = 0.75;
/// Rates of six steps; at the second nothing may move.
const RATES: [f64; 6] = [0.25, 0.0, 0.5, 0.125, 0.0625, 0.25];

/// A backbone and two heads, each with a weight and a bias.
fn network() -> Scope {
    let root = Scope::root();
    for (scope, name) in
        [(root.clone(), "backbone"), (root.part(head(0)), "ours"), (root.part(head(1)), "theirs")]
    {
        let at = scope.at(name);
        at.param("weight", Order::Linear, &[5, 7], Init::Uniform(1.0));
        at.param("bias", Order::Vector, &[5], Init::Uniform(1.0));
    }
    root
}

/// What the pull of Eq. 5 makes of `w` in the steps of [`RATES`] where the loss has no gradient.
fn pulled(w: f64, strength: f64, to: f64) -> f64 {
    let step = |(w, v): (f64, f64), rate: &f64| {
        let v = MOMENTUM * v + strength * (w - to);
        (w - rate * v, v)
    };
    RATES.iter().fold((w, 0.0), step).0
}

#[test]
fn the_pull_goes_to_the_anchor_at_the_rate_of_each_steps_record() {
    let gpu = open();
    for scope in [config::Scope::Weights, config::Scope::All] {
        let train = TrainState::new(&gpu, &network(), 1, true, gpu.step).unwrap();
        let (weights, anchor) = (&train.network.weights, train.anchor.as_ref().unwrap());
        gpu.copy(&State::init(&gpu, &network(), 2).unwrap().weights.data, &anchor.data);
        let step = Step::default().upload(&gpu).unwrap();
        let optim = Optim { momentum: MOMENTUM, weight_decay: 0.0, ..optim() };
        let l2sp = L2sp {
            anchor: Anchor::Moco,
            anchor_at: AnchorAt::End,
            alpha: ALPHA,
            beta: BETA,
            scope,
        };
        let optimizer = Update::new(&optim, Some(&l2sp)).optimizer(&weights.layout, 0, false);
        let rec = Recording::new(&gpu);
        optimizer.record(&rec, &train, &step).unwrap();
        let program = Program::new(rec).unwrap();
        let start = weights.read(&gpu).unwrap();
        for rate in RATES {
            let record = Step { lr: rate as f32, ..Step::default() };
            gpu.write(&step.data, bytemuck::bytes_of(&record));
            let before = gpu.read(&weights.data).unwrap();
            program.run();
            let moved = gpu.read(&weights.data).unwrap() != before;
            assert_eq!(moved, rate > 0.0, "a step of rate {rate}");
        }
        let (end, anchor) = (weights.read(&gpu).unwrap(), anchor.read(&gpu).unwrap());
        for (((entry, start), (_, end)), (_, anchor)) in start.iter().zip(&end).zip(&anchor) {
            let all = scope == config::Scope::All;
            let Group { part, vectors } = entry.group;
            let (strength, anchored) = match part {
                _ if vectors && !all => (0.0, false),
                BACKBONE => (ALPHA, true),
                part if part == head(0) => (BETA, false),
                _ => (0.0, false),
            };
            for ((start, end), anchor) in start.iter().zip(end).zip(anchor) {
                let to = if anchored { f64::from(*anchor) } else { 0.0 };
                let wanted = pulled((*start).into(), strength, to);
                let far = (f64::from(*end) - wanted).abs();
                assert!(far < 1e-6, "{} with {scope:?}: {end} is not {wanted}", entry.name);
            }
        }
    }
}

#[test]
fn the_moving_average_is_its_closed_form() {
    let gpu = open();
    let [slow, fast] = [1, 2].map(|seed| Array::random(&[300], seed));
    let [k, q] = [&slow, &fast].map(|a| Tensor::upload(&gpu, a).unwrap());
    let still = Tensor::upload(&gpu, &fast).unwrap();
    let rec = Recording::new(&gpu);
    let ema = Ema { momentum: 0.9 };
    ema.step(&rec, &k.data, &q.data).unwrap();
    ema.step(&rec, &still.data, &q.data).unwrap();
    let program = Program::new(rec).unwrap();
    for _ in 0..20 {
        program.run();
    }
    let found = k.read(&program).unwrap();
    // k_t = q + mᵗ (k₀ − q)
    let share = f64::from(0.9f32).powi(20);
    for ((found, k), q) in found.data.iter().zip(&slow.data).zip(&fast.data) {
        let wanted = q + share * (k - q);
        assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
    }
    assert_eq!(still.read(&program).unwrap(), q.read(&program).unwrap(), "what is equal stays so");
}
