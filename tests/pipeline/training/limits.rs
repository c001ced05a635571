//! Requests beyond what an adapter binds at once.

use super::{CLASSES, augment, data, films, numbers, open, stepper, task, task_model, task_step};
use mtpret_engine::{
    Error, Result,
    autograd::{Mode, Tape, Var},
    gpu::{Gpu, Program, Recording},
    nn::Linear,
    ops::{Op, bce_with_logits::BceWithLogits, relu::Relu, scale::Scale},
    step::{
        Batch, Field, Inputs, Optimizer, Recorded, Samples::Numbers, StepOptions, TrainState,
        Trainable,
    },
    tensor::{Arena, Array, Philox, Scope, Step, Tensor},
};
use mtpret_pipeline::train::{
    config::KeyBn,
    stages::moco::{Contrast, MocoStep},
    step::optimizer::Update,
    tasks::{
        View,
        model::{TaskStep, fields, view},
    },
};
use std::cell::RefCell;

#[test]
fn a_binding_beyond_the_adapters_limit_is_an_error_that_says_so() {
    let gpu = open();
    let most = gpu.caps().limits.max_storage_buffer_binding_size;
    let recording = Recording::new(&gpu);
    let rows = |bytes: u64| Tensor::new(&recording, &[(bytes / 16) as usize, 4]);
    Relu.forward(&recording, [&rows(most / 16 * 16)]).unwrap();
    let fault = Relu.forward(&recording, [&rows(most / 16 * 16 + 16)]).unwrap_err();
    assert!(matches!(fault, Error::Memory(_)), "{fault:?}");
    let (fault, limit) = (fault.to_string(), format!("at most {} MiB in one binding", most >> 20));
    assert!(fault.contains(&limit) && fault.contains("relu/forward"), "{fault}");
    assert_eq!(recording.commands().len(), 1, "what was refused is not recorded");
}

/// Any step, on an adapter that takes no more than `most` films at once.
struct Limited<'a> {
    inner: &'a dyn Trainable,
    most: usize,
    /// Films of each attempt, and whether it was a first micro-batch.
    tried: RefCell<Vec<(usize, bool)>>,
}

impl<'a> Limited<'a> {
    fn new(inner: &'a dyn Trainable, most: usize) -> Self {
        Self { inner, most, tried: RefCell::default() }
    }
}

impl Trainable for Limited<'_> {
    fn state(&self) -> &TrainState {
        self.inner.state()
    }
    fn samples(&self) -> usize {
        self.inner.samples()
    }
    fn multiple(&self) -> usize {
        self.inner.multiple()
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        self.inner.fields(n)
    }
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
        let n = batch.samples;
        self.tried.borrow_mut().push((n, batch.first));
        let most = format!("{} films", self.most);
        match n > self.most {
            true => Err(Error::memory("batch", most, n.to_string(), "take fewer")),
            false => self.inner.losses(tape, batch),
        }
    }
    fn mode(&self) -> Mode {
        self.inner.mode()
    }
    fn optimizer(&self) -> Optimizer {
        self.inner.optimizer()
    }
    fn updated(&self, rec: &Recording, batch: &Batch) -> Result<()> {
        self.inner.updated(rec, batch)
    }
}

/// Pixels of a film of [`Regression`].
const PIXELS: usize = 12;

/// A layer without batch norm: its gradient over a batch is the mean over the films. Its loss has a second part, half of the
/// first.
struct Regression {
    layer: Linear,
    train: TrainState,
}

impl Regression {
    fn new(gpu: &Gpu) -> Self {
        let root = Scope::root();
        let layer = Linear::new(root.at("fc"), PIXELS, CLASSES);
        Self {
            layer,
            train: TrainState::new(gpu, &root, 1, false, StepOptions::default()).unwrap(),
        }
    }
}

impl Trainable for Regression {
    fn state(&self) -> &TrainState {
        &self.train
    }
    fn samples(&self) -> usize {
        12
    }
    fn multiple(&self) -> usize {
        2
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        vec![Field::new("numbers", [n, PIXELS]), Field::new("targets", [n, CLASSES])]
    }
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
        let x = tape.input(batch.tensor("numbers"));
        let logits = self.layer.forward(tape, &x)?;
        let targets = tape.input(batch.tensor("targets"));
        let loss = tape.apply(BceWithLogits, [&logits, &targets])?;
        let half = tape.input(&Tensor::upload(&tape.rec.gpu, &Array::new(&[1], vec![0.5]))?);
        let halved = tape.apply(Scale, [&loss, &half])?;
        Ok(vec![loss, halved])
    }
    fn optimizer(&self) -> Optimizer {
        let layout = &self.train.network.weights.layout;
        Update::new(&super::optim(), None).optimizer(layout, 0, false)
    }
}

fn floats(gpu: &Gpu, arena: &Arena) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&gpu.read(&arena.data).unwrap())
}

#[track_caller]
fn close(found: &[f32], wanted: &[f32], allowed: f32) {
    let scale = wanted.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let far = found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
    assert!(scale > 0.0 && far <= allowed * scale, "{far:e} off, where the largest is {scale:e}");
}

#[test]
fn micro_batches_average_to_the_whole_batch() {
    let gpu = open();
    let mut random = Philox::new(4, 0);
    let batches: Vec<[Vec<f32>; 2]> = (0..3)
        .map(|_| {
            let pixels = (0..12 * PIXELS).map(|_| random.normal() as f32).collect();
            [pixels, (0..12 * CLASSES).map(|_| random.below(2) as f32).collect()]
        })
        .collect();
    let run = |most: usize| {
        let regression = Regression::new(&gpu);
        let limited = Limited::new(&regression, most);
        let mut stepper = stepper(&gpu, &limited);
        for (at, [pixels, targets]) in (0..).zip(&batches) {
            stepper.run(&numbers(1, at, 0), &[Numbers(pixels), Numbers(targets)]).unwrap();
        }
        let meter = stepper.read_meter().unwrap();
        let [first, second, rest @ ..] = meter.parts;
        assert_eq!(rest, [0.0; 2]);
        let losses = [meter.sum, first, second].map(|sum| sum / meter.count as f32);
        let left = [&regression.train.gradients, &regression.train.network.weights]
            .map(|a| floats(&gpu, a));
        (stepper.micro(), limited.tried.take(), meter.count, losses, left)
    };
    let (micro, tried, count, whole, [gradients, weights]) = run(12);
    assert_eq!((micro, tried, count), (1, vec![(12, true)], 3));
    close(&whole, &[whole[0], whole[0] / 1.5, whole[0] / 3.0], 1e-6);
    // Twelve and six are refused; five divides no batch, four does; three and one would be no
    // multiple of two.
    for (most, wanted) in [
        (5, vec![(12, true), (6, true), (4, true), (4, false)]),
        (3, vec![(12, true), (6, true), (4, true), (2, true), (2, false)]),
    ] {
        let (micro, tried, count, losses, [g, w]) = run(most);
        assert_eq!(tried, wanted);
        assert_eq!((micro, count), (12 / tried[tried.len() - 1].0, 3 * micro as u32));
        close(&losses, &whole, 1e-6);
        close(&g, &gradients, 1e-5);
        close(&w, &weights, 1e-6);
    }
    let regression = Regression::new(&gpu);
    let refused = Recorded::new(&gpu, &Limited::new(&regression, 1));
    assert!(matches!(refused.map(|_| ()), Err(Error::Memory(_))));
}

#[test]
fn a_network_on_micro_batches_steps_by_the_mean_of_their_gradients() {
    let gpu = open();
    let augment = augment();
    let (whole, part) = (data(4, [32, 32]), data(2, [32, 32]));
    let films = films(&whole, 8);
    let cut = task_model(&gpu, 2);
    let task = task(&whole);
    let step = task_step(&cut, &task, &augment);
    let limited = Limited::new(&step, 2);
    let mut stepper = stepper(&gpu, &limited);
    assert_eq!(stepper.micro(), 2);
    stepper.run(&Step { lr: 0.0, ..numbers(1, 0, 0) }, &films.labelled()).unwrap();

    // By hand: two passes of two films, one after the other.
    let by_hand = task_model(&gpu, 2);
    let mut inputs = Inputs::new(&gpu, fields(2, 32 * 32, 1)).unwrap();
    let rec = Recording::new(&gpu);
    let x = view(&part, Some(&augment), 0);
    let x = x.forward(&rec, inputs.tensor("films"), [2, 32, 32], &inputs.step).unwrap();
    let batch = Batch { inputs: &inputs, samples: 2, first: true, micro: 1 };
    let seen = View { batch: &batch, warp: view(&part, Some(&augment), 0), size: [2, 32, 32] };
    let tape = Tape::new(&rec, by_hand.state(), Mode::Train { groups: 1 });
    let losses = by_hand.heads[0].losses(&tape, &tape.input(&x), &seen).unwrap();
    tape.backward(&losses.iter().collect::<Vec<_>>(), &by_hand.train.gradients).unwrap();
    let program = Program::new(rec).unwrap();
    let mut mean = vec![0.0; by_hand.train.gradients.data.bytes as usize / 4];
    for at in 0..2 {
        // Each part draws the views of its place in the whole batch.
        let now = Step { first: 2 * at, ..numbers(1, 0, 2 * at) };
        inputs.send(&now, &films.labelled(), at as usize).unwrap();
        program.run();
        let gradients = floats(&gpu, &by_hand.train.gradients);
        mean.iter_mut().zip(gradients).for_each(|(m, g)| *m += g / 2.0);
    }
    close(&floats(&gpu, &cut.train.gradients), &mean, 1e-6);
    let [found, wanted] = [&cut, &by_hand].map(|l| floats(&gpu, &l.state().statistics));
    assert!(found == wanted, "running statistics follow both micro-batches");
    let before = floats(&gpu, &cut.state().weights);
    stepper.run(&numbers(1, 0, 0), &films.labelled()).unwrap();
    assert!(floats(&gpu, &cut.state().weights) != before, "the update is part of the step");
}

/// A contrastive step that knows no batch norm but by running statistics: of a film no number depends on another film's.
struct Frozen<'a>(MocoStep<'a>);

impl Trainable for Frozen<'_> {
    fn state(&self) -> &TrainState {
        self.0.state()
    }
    fn mode(&self) -> Mode {
        Mode::Frozen
    }
    fn samples(&self) -> usize {
        self.0.samples()
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        self.0.fields(n)
    }
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
        self.0.losses(tape, batch)
    }
    fn optimizer(&self) -> Optimizer {
        self.0.optimizer()
    }
    fn updated(&self, rec: &Recording, batch: &Batch) -> Result<()> {
        self.0.updated(rec, batch)
    }
}

#[test]
fn a_cut_contrastive_batch_has_the_views_and_the_negatives_of_the_whole_one() {
    let gpu = open();
    let (data, augment) = (data(4, [32, 32]), augment());
    let run = |most: usize| {
        let model = super::moco(&gpu, 3);
        let mut step = super::moco_step(&model, &data, &augment);
        step.contrast = Contrast { splits: 1, key_bn: KeyBn::Global, ..step.contrast };
        let frozen = Frozen(step);
        let limited = Limited::new(&frozen, most);
        let mut stepper = stepper(&gpu, &limited);
        for at in 0..3 {
            // Films on which no ReLU is so near 0 that the rounding of another batch's kernel turns it: that moves weights by 1e-5.
            let films = films(&data, 100 + u64::from(at));
            stepper.run(&numbers(1, at, 4 * at), &films.unlabelled()).unwrap();
        }
        let queue = bytemuck::pod_collect_to_vec(&gpu.read(&model.queue.data).unwrap());
        let meter = stepper.read_meter().unwrap();
        let loss = meter.sum / meter.count as f32;
        (stepper.micro(), queue, floats(&gpu, &model.query.network.weights), vec![loss])
    };
    let (micro, queue, weights, loss) = run(4);
    assert_eq!(micro, 1);
    for (most, parts) in [(2, 2), (1, 4)] {
        let (micro, q, w, l) = run(most);
        assert_eq!(micro, parts);
        close(&q, &queue, 1e-4);
        close(&w, &weights, 1e-5);
        close(&l, &loss, 1e-5);
    }
}

#[test]
fn films_of_full_size_are_cut_to_what_the_adapter_binds() {
    let gpu = open();
    let (data, augment) = (data(64, [500, 800]), augment());
    let model = task_model(&gpu, 1);
    let task = task(&data);
    let step: TaskStep = task_step(&model, &task, &augment);
    let watched = Limited::new(&step, usize::MAX);
    Recorded::new(&gpu, &watched).unwrap();
    // The largest tensors are those of the first convolution: 64 channels at half the size.
    let film = 64 * 250 * 400 * 4;
    let most = gpu.caps().limits.max_storage_buffer_binding_size;
    let fits = |n: &usize| 64 % n == 0 && *n as u64 * film <= most;
    let wanted = (1..=64).rev().find(fits).unwrap();
    let tried = watched.tried.take();
    println!("64 films of 800 x 500: {tried:?}");
    assert!(tried.contains(&(wanted, true)), "{tried:?}: expected {wanted} films to be taken");
    assert_eq!(tried.last(), Some(&(wanted, wanted == 64)));
}
