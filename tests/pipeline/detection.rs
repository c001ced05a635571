//! Faster R-CNN's training step as a whole: what it costs the host, and what it does with odd batches.
//! Its numbers are compared with torchvision's by `tools/parity/parity.py`.

use mtpret_engine::{
    autograd::{Mode, Tape},
    gpu::{DeviceOptions, Gpu, Program, Recording},
    ops::sample_boxes::SampleBoxes,
    step::{StepOptions, TrainState},
    tensor::{Arena, Array, Group, Init, Order, Scope, Step, Tensor},
};
use mtpret_pipeline::{
    models::{
        BACKBONE, Depth, FasterRcnn, ResNet,
        faster_rcnn::{Boxes, FasterRcnnOptions},
        head,
    },
    train::{config::Optim, step::optimizer::Update},
};

use std::rc::Rc;

const SIZE: [usize; 2] = [64, 64];

fn open() -> Gpu {
    Gpu::open(DeviceOptions::default()).unwrap()
}

/// A detector of two classes, its first weights, and memory for a step.
struct Detector {
    head: FasterRcnn,
    train: TrainState,
}

impl Detector {
    fn new(gpu: &Gpu) -> Self {
        let root = Scope::root();
        let backbone = Rc::new(ResNet::new(&root.at("backbone").at("body"), Depth::R18));
        // Fewer proposals than by default, for the time it takes.
        let options = FasterRcnnOptions {
            per_level: [200; 2],
            per_image: [200; 2],
            sampled: 64,
            ..FasterRcnnOptions::TORCHVISION
        };
        let head = FasterRcnn::new(&root.part(head(0)), &backbone, 3, options);
        Self { head, train: TrainState::new(gpu, &root, 3, false, StepOptions::default()).unwrap() }
    }
    /// Records a step on true boxes of two films, drawing its samples; gives its losses.
    fn record(
        &self,
        rec: &Recording,
        mode: Mode,
        truth: &Boxes,
        step: &Tensor,
        update: bool,
    ) -> [Tensor; 4] {
        let x = Array::random(&[2, SIZE[0], SIZE[1], 3], 1);
        let x = Tensor::upload(&rec.gpu, &x).unwrap();
        let tape = Tape::new(rec, &self.train.network, mode);
        let losses = self.head.losses(&tape, &tape.input(&x), truth, step, None).unwrap();
        losses.iter().for_each(|loss| rec.keep(&loss.value.data));
        tape.backward(&losses.iter().collect::<Vec<_>>(), &self.train.gradients).unwrap();
        if update {
            let layout = &self.train.network.weights.layout;
            let frozen = mode == Mode::Frozen;
            let optimizer = Update::new(&optim(), None).optimizer(layout, 0, frozen);
            optimizer.record(rec, &self.train, step).unwrap();
        }
        losses.map(|loss| loss.value)
    }
}

fn optim() -> Optim {
    Optim { weight_decay: 0.1, ..Optim::constant(0.01) }
}

/// True boxes of two films: as many as there are classes; the corners of unused places are no box.
fn truth(gpu: &Gpu, classes: [[f64; 2]; 2]) -> Boxes {
    let corners = [[8., 6., 40., 30.], [20., 24., 60., 62.], [2., 2., 50., 50.], [5., 5., 4., 4.]];
    let upload = |shape: &[usize], data| Tensor::upload(gpu, &Array::new(shape, data)).unwrap();
    Boxes {
        corners: upload(&[2, 2, 4], corners.concat()),
        classes: upload(&[2, 2], classes.concat()),
        extents: upload(&[2, 2], vec![64.0, 64.0, 64.0, 60.0]),
    }
}

fn number(tensor: &Tensor, program: &Program) -> f64 {
    tensor.read(program).unwrap().data[0]
}

#[test]
fn a_training_step_reads_nothing_back_and_makes_nothing() {
    let gpu = open();
    let (detector, truth) = (Detector::new(&gpu), truth(&gpu, [[0., 1.], [1., -1.]]));
    let step = Step { lr: 0.01, ..Step::default() }.upload(&gpu).unwrap();
    let rec = Recording::new(&gpu);
    let losses = detector.record(&rec, Mode::Train { groups: 1 }, &truth, &step, true);
    let program = Program::new(rec).unwrap();
    program.run();
    gpu.wait().unwrap();
    let before = gpu.counters();
    for at in 1..3 {
        let numbers = Step { lr: 0.01, step: at, ..Step::default() };
        gpu.write(&step.data, bytemuck::bytes_of(&numbers));
        program.run();
    }
    gpu.wait().unwrap();
    let after = gpu.counters();
    assert_eq!(after.readbacks, before.readbacks);
    assert_eq!(after.uploads, before.uploads + 2, "the step's record alone goes up");
    assert_eq!((after.buffers, after.bind_groups), (before.buffers, before.bind_groups));
    for loss in &losses {
        let loss = number(loss, &program);
        assert!(loss.is_finite() && loss > 0.0, "{loss}");
    }
}

#[test]
fn the_same_step_draws_the_same_and_gives_the_same_bits_and_the_next_another() {
    let gpu = open();
    let (detector, truth) = (Detector::new(&gpu), truth(&gpu, [[0., 1.], [1., -1.]]));
    let step = Step::default().upload(&gpu).unwrap();
    let rec = Recording::new(&gpu);
    detector.record(&rec, Mode::Frozen, &truth, &step, false);
    let program = Program::new(rec).unwrap();
    let gradients = |at: u32| {
        let numbers = Step { step: at, seed_low: 9, ..Step::default() };
        gpu.write(&step.data, bytemuck::bytes_of(&numbers));
        program.run();
        gpu.read(&detector.train.gradients.data).unwrap()
    };
    let (first, other, again) = (gradients(0), gradients(1), gradients(0));
    assert!(first == again);
    assert!(first != other);
}

#[test]
fn films_without_boxes_are_background_and_teach_no_boxes() {
    let gpu = open();
    let (detector, truth) = (Detector::new(&gpu), truth(&gpu, [[-1.; 2]; 2]));
    let step = Step::default().upload(&gpu).unwrap();
    let rec = Recording::new(&gpu);
    let losses = detector.record(&rec, Mode::Train { groups: 1 }, &truth, &step, false);
    let program = Program::new(rec).unwrap();
    program.run();
    let [objectness, rpn_box, class, boxes] = losses.map(|loss| number(&loss, &program));
    assert!(objectness > 0.0 && class > 0.0);
    assert_eq!([rpn_box, boxes], [0.0; 2]);
    let gradients: Vec<f32> =
        bytemuck::pod_collect_to_vec(&gpu.read(&detector.train.gradients.data).unwrap());
    assert!(gradients.iter().all(|g| g.is_finite()));
    assert!(gradients.iter().any(|g| *g != 0.0));
}

#[test]
fn frozen_batch_norm_is_not_moved_not_even_by_decay() {
    let gpu = open();
    let (detector, truth) = (Detector::new(&gpu), truth(&gpu, [[0., -1.], [1., -1.]]));
    let before = [&detector.train.network.weights, &detector.train.network.statistics]
        .map(|a| a.read(&gpu).unwrap());
    let step = Step { lr: 0.01, ..Step::default() }.upload(&gpu).unwrap();
    let rec = Recording::new(&gpu);
    detector.record(&rec, Mode::Frozen, &truth, &step, true);
    Program::new(rec).unwrap().run();
    let after = [&detector.train.network.weights, &detector.train.network.statistics]
        .map(|a| a.read(&gpu).unwrap());
    let norms = Group { part: BACKBONE, vectors: true };
    for ((entry, was), (_, is)) in before[0].iter().zip(&after[0]) {
        assert_eq!(was == is, entry.group == norms, "{}", entry.name);
    }
    assert!(before[1].iter().zip(&after[1]).all(|(was, is)| was.1 == is.1));
}

#[test]
fn every_box_is_as_likely_to_be_drawn() {
    const BOXES: usize = 37;
    const STEPS: u32 = 600;
    let gpu = open();
    // Every third box is a match; 4 of 13 matches and 6 of 24 others are drawn.
    let kinds: Vec<f64> = (0..BOXES).map(|i| if i % 3 == 0 { 0.0 } else { -1.0 }).collect();
    let matches = Tensor::upload(&gpu, &Array::new(&[1, BOXES], kinds)).unwrap();
    let sampler = SampleBoxes { size: 10, positives: 4, stream: 0 };
    let step = Step::default().upload(&gpu).unwrap();
    let (sample, program) = gpu
        .eager(|rec| {
            let sample = sampler.forward(rec, &matches, &step)?;
            rec.keep(&sample.places.data);
            Ok(sample)
        })
        .unwrap();
    let mut drawn = [0u32; BOXES];
    for at in 0..STEPS {
        let numbers = Step { step: at, seed_low: 5, ..Step::default() };
        gpu.write(&step.data, bytemuck::bytes_of(&numbers));
        program.run();
        let places = sample.places.read(&program).unwrap().data;
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
        places.iter().for_each(|place| drawn[*place as usize] += 1);
    }
    for (i, count) in drawn.into_iter().enumerate() {
        let share = if i % 3 == 0 { 4.0 / 13.0 } else { 6.0 / 24.0 };
        let expected = share * f64::from(STEPS);
        // Four and a half standard deviations: one box in 10⁵ is further off.
        let most = 4.5 * (expected * (1.0 - share)).sqrt();
        assert!((f64::from(count) - expected).abs() < most, "box {i}: {count}, not {expected}");
    }
}

#[test]
fn a_layer_on_an_image_takes_channels_last_and_is_filed_channels_first() {
    const PIXELS: usize = 5;
    const CHANNELS: usize = 8;
    const OUT: usize = 3;
    let gpu = open();
    let root = Scope::root();
    let order = Order::Image { pixels: PIXELS };
    let fc6 = root.param("fc6", order, &[OUT, CHANNELS * PIXELS], Init::Constant(0.0));
    let arena = Arena::zeros(&gpu, &root.layouts().0).unwrap();
    arena.write(&gpu, |_| (0..OUT * CHANNELS * PIXELS).map(|i| i as f64).collect());
    let filed = &arena.read(&gpu).unwrap()[0].1;
    assert!(filed.iter().enumerate().all(|(i, v)| *v == i as f32));
    let tensor = arena.tensor(fc6);
    assert_eq!(tensor.shape, [1, 1, PIXELS * CHANNELS, OUT]);
    let padded: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.read(&tensor.data).unwrap());
    let here = Array::from_padded(&tensor.shape, &padded).data;
    for (pixel, channel, out) in [(0, 1, 0), (4, 7, 2), (2, 0, 1)] {
        let there = (out * CHANNELS + channel) * PIXELS + pixel;
        assert_eq!(here[(pixel * CHANNELS + channel) * OUT + out], there as f64);
    }
}
