//! A training engine for any GPU that Vulkan, Metal or DX12 reaches, with hand-written WGSL kernels.
//!
//! A network says its losses ([`step::Trainable`]); a [`step::Stepper`] records a training step once and runs it for every batch:
//!
//! ```
//! use mtpret_engine::{
//!     Result,
//!     autograd::{Tape, Var},
//!     gpu::{DeviceOptions, Gpu},
//!     nn::Linear,
//!     ops::{cross_entropy::CrossEntropy, relu::Relu},
//!     step::{Batch, Field, Optimizer, Rule, Samples::Numbers, StepOptions, Stepper, TrainState, Trainable},
//!     tensor::{Philox, Scope, Step},
//! };
//!
//! /// Two numbers to sixteen to two classes.
//! struct Network { hidden: Linear, logits: Linear, state: TrainState }
//!
//! impl Trainable for Network {
//!     fn state(&self) -> &TrainState { &self.state }
//!     fn samples(&self) -> usize { 64 }
//!     fn fields(&self, n: usize) -> Vec<Field> {
//!         vec![Field::new("points", [n, 2]), Field::new("classes", [n, 1])]
//!     }
//!     fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
//!         let x = self.hidden.forward(tape, &tape.input(batch.tensor("points")))?;
//!         let logits = self.logits.forward(tape, &tape.apply(Relu, [&x])?)?;
//!         Ok(vec![tape.apply(CrossEntropy, [&logits, &tape.input(batch.tensor("classes"))])?])
//!     }
//!     fn optimizer(&self) -> Optimizer {
//!         Optimizer::uniform(0.9, Rule::default(), &self.state)
//!     }
//! }
//!
//! fn main() -> Result<()> {
//!     let gpu = Gpu::open(DeviceOptions::default())?;
//!     let root = Scope::root();
//!     let hidden = Linear::new(root.at("hidden"), 2, 16);
//!     let logits = Linear::new(root.at("logits"), 16, 2);
//!     let state = TrainState::new(&gpu, &root, 1, false, StepOptions::default())?;
//!     let network = Network { hidden, logits, state };
//!     let mut stepper = Stepper::new(&gpu, &network)?;
//!     let (mut random, mut loss) = (Philox::new(1, 0), f32::NAN);
//!     for step in 1..=200 {
//!         // Points within a circle are of class 1.
//!         let points: Vec<f32> = (0..128).map(|_| random.normal() as f32).collect();
//!         let inside = |p: &[f32]| f32::from(u8::from(p[0] * p[0] + p[1] * p[1] < 1.4));
//!         let classes: Vec<f32> = points.chunks(2).map(inside).collect();
//!         let now = Step { lr: 0.1, step, ..Step::default() };
//!         stepper.run(&now, &[Numbers(&points), Numbers(&classes)])?;
//!         if step % 50 == 0 {
//!             let meter = stepper.read_meter()?;
//!             loss = meter.sum / meter.count as f32;
//!             println!("step {step}: loss {loss:.3}");
//!         }
//!     }
//!     assert!(loss < 0.2, "the network has learnt the circle: {loss}");
//!     Ok(())
//! }
//! ```
//!
//! `examples/` has a kernel, an op and a network on real images. The floors, lowest first; each uses only those before it
//! (`tests/app/tidy` holds it): `error file gpu tensor ops autograd nn autotune step`.

pub mod error;
pub mod file;
pub mod gpu;
pub mod tensor;
#[macro_use]
pub mod ops;
pub mod autograd;
pub mod autotune;
pub mod nn;
pub mod step;

pub use error::{Error, Fault, Place, Result, did_you_mean, nearest};
pub(crate) use gpu::kernel;
