//! A network of your own, trained on the real chest films that come with the program: is there a pneumonia?
//!
//! `cargo run --release --example 03_train_your_own_network`

use mtpret_engine::{
    Result,
    autograd::{Tape, Var},
    gpu::{DeviceOptions, Gpu},
    nn::{BatchNorm, Conv2d, Linear},
    ops::{conv2d, cross_entropy::CrossEntropy, global_avg_pool::GlobalAvgPool, warp::Warp},
    step::{Batch, Field, Optimizer, Rule, StepOptions, Stepper, TrainState, Trainable},
    tensor::{Scope, Step},
};
use mtpret_pipeline::data::{Fit, Format, Loader, LoaderOptions, Source, unpack};

/// Films of a batch, and their side in pixels.
const BATCH: usize = 16;
const SIDE: usize = 64;
const STEPS: u32 = 60;

/// Three strided convolutions, the mean over what they see, and a linear layer.
struct SmallNetwork {
    layers: Vec<(Conv2d, BatchNorm)>,
    logits: Linear,
    state: TrainState,
}

impl SmallNetwork {
    fn new(gpu: &Gpu) -> Result<Self> {
        // A scope gives every parameter its name, from which its first values are drawn.
        let root = Scope::root();
        let layer = |i: usize, channels: [usize; 2]| {
            let at = root.at(&format!("layer{i}"));
            let op = conv2d::Conv2d::new(2, 1);
            (Conv2d::new(at.at("conv"), channels, 3, op), BatchNorm::new(at.at("bn"), channels[1]))
        };
        let layers = vec![layer(0, [3, 16]), layer(1, [16, 32]), layer(2, [32, 64])];
        let logits = Linear::new(root.at("logits"), 64, 2);
        Ok(Self {
            layers,
            logits,
            state: TrainState::new(gpu, &root, 1, false, StepOptions::default())?,
        })
    }
}

impl Trainable for SmallNetwork {
    fn state(&self) -> &TrainState {
        &self.state
    }
    fn samples(&self) -> usize {
        BATCH
    }
    /// What a batch of `n` films is made of; [`Loader`] gives it in this order.
    fn fields(&self, n: usize) -> Vec<Field> {
        vec![
            Field::new("classes", [n, 1]).or(-1.0),
            Field::new("extents", [n, 2]),
            Field::packed("films", n, Warp::words(n, SIDE * SIDE)),
        ]
    }
    /// Recorded once; the derivative follows from it.
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
        // Grey films, flipped and turned at random, become three z-scored channels on the device.
        let view =
            Warp { mean: 122.8, std: 60.0, flip: 0.5, rotate_deg: 5.0, shift: 0.02, view: 0 };
        let size = [batch.samples, SIDE, SIDE];
        let x = view.forward(tape.rec, batch.tensor("films"), size, batch.step())?;
        let mut x = tape.input(&x);
        for (conv, norm) in &self.layers {
            x = norm.relu(tape, &conv.forward(tape, &x)?)?;
        }
        let logits = self.logits.forward(tape, &tape.apply(GlobalAvgPool, [&x])?)?;
        let classes = tape.input(batch.tensor("classes"));
        Ok(vec![tape.apply(CrossEntropy, [&logits, &classes])?])
    }
    fn optimizer(&self) -> Optimizer {
        Optimizer::uniform(0.9, Rule { decay: 1e-4, ..Rule::default() }, &self.state)
    }
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join("mtpret-sample");
    unpack(&folder)?;
    let films = Source::new("pneumonia", Format::Folder, folder.join("chest_xray")).read()?.train;
    let options = LoaderOptions {
        width: SIDE,
        height: SIDE,
        fit: Fit::Stretch,
        batch: BATCH,
        seed: 1,
        shuffle: true,
        drop_last: true,
        threads: 0,
        cache_bytes: 64 << 20,
        pack: None,
        prefetch: 2,
        max_bad: 0,
        start: 0,
    };
    let mut loader = Loader::new(films, options)?;

    let gpu = Gpu::open(DeviceOptions::default())?;
    let network = SmallNetwork::new(&gpu)?;
    let mut stepper = Stepper::new(&gpu, &network)?;
    for step in 1..=STEPS {
        let batch = loader.next_batch()?;
        // The rate falls to 0, so that the last steps do not throw about what the first have learned.
        let lr = 0.05 * (1.0 - step as f32 / STEPS as f32);
        let now = Step { lr, step, epoch: batch.epoch as u32, ..Step::default() };
        stepper.run(&now, &batch.fields())?;
        if step % 10 == 0 {
            let meter = stepper.read_meter()?;
            println!("step {step:2}: loss {:.3}", meter.sum / meter.count as f32);
        }
    }
    Ok(())
}
