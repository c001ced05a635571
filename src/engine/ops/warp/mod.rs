//! The input pipeline's augmentation: flip, rotation, shift and z-score in one pass.

mod cases;
mod images;
mod marks;
mod reference;
mod targets;

pub use cases::{SIGNATURE, cases, random, run};
pub use images::Grey;

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::{Philox, Step, Tensor},
};

const DRAW: Kernel<Draw> = kernel!("warp/draw");
const SAMPLE: Kernel<Sample> = kernel!("warp/sample");
params! { struct Draw { samples: u32, view: u32, flip: f32, turns: f32, shift: f32 } }
params! { struct Sample { samples: u32, height: u32, width: u32, mean: f32, scale: f32 } }

/// A random view of grey images.
///
/// The image is flipped left to right with probability `flip`, rotated about its centre by an angle
/// uniform in ±`rotate_deg`, shifted by shares of its width and its height uniform in ±`shift`, and
/// normalised to `(v − mean) / std`. Pixels are interpolated bilinearly; outside the image they are
/// 0 before normalisation, as `torchvision.transforms.RandomAffine` fills them. With the three at 0
/// every pixel is exactly its z-score. Images have 8 or 16 bits a pixel ([`Grey`]).
///
/// The random numbers are Philox's of key (seed) and counter (step, sample of the batch, stage,
/// view): a view depends on nothing else and can be drawn again at any time.
#[derive(Clone, Copy, Debug)]
pub struct Warp {
    /// Mean of the pixels, on 0..255.
    pub mean: f32,
    /// Standard deviation of the pixels, on 0..255; above 0.
    pub std: f32,
    /// Probability of a flip.
    pub flip: f32,
    /// Largest rotation in degrees.
    pub rotate_deg: f32,
    /// Largest shift as a share of width and height.
    pub shift: f32,
    /// Number of the view, so that two views of one image differ.
    pub view: u32,
}

/// Flip, rotation and shift of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Side of the image: −1 if it is flipped, else 1.
    pub side: f32,
    /// Rotation of the image, counter-clockwise, in full turns.
    pub turns: f32,
    /// Shift of the image to the right, as a share of its width.
    pub right: f32,
    /// Shift of the image down, as a share of its height.
    pub down: f32,
}

impl Warp {
    /// Records the views of a batch.
    ///
    /// Shapes: images as [`Warp::pack`] writes them, `[`[`Warp::words`]`]` of N and H·W; step as
    /// `Step::upload` makes it → `[N, H, W, 3]`, three equal channels.
    ///
    /// # Errors
    /// Shapes that do not fit, or more than the adapter binds at once.
    pub fn forward(
        &self,
        rec: &Recording,
        images: &Tensor,
        [n, h, w]: [usize; 3],
        step: &Tensor,
    ) -> Result<Tensor> {
        let words = Self::words(n, h * w);
        if images.shape != [words] || n * h * w == 0 {
            let expected = format!("{n} images of {h} × {w} in {words} words");
            return Err(Error::shape("warp", expected, format!("{:?}", images.shape)));
        }
        let views = self.views(rec, n, step)?;
        let y = Tensor::new(rec, &[n, h, w, 3]);
        let [samples, height, width] = [n, h, w].map(|axis| axis as u32);
        // A product is the same everywhere, a quotient is not.
        let p = Sample { samples, height, width, mean: self.mean, scale: 1.0 / self.std };
        let cost =
            Cost { flops: 50 * (n * h * w) as u64, trips: 32, shape: format!("{n} × {h} × {w}") };
        let slices = [&images.data, &views.data, &y.data];
        // 64 columns by 32 rows of an image are a workgroup's.
        let grid = [width.div_ceil(64), height.div_ceil(32), samples];
        rec.launch(&SAMPLE, &[], p, &slices, grid, cost)?;
        Ok(y)
    }
    /// The views of `samples` images, a row `[side, turns, right, down]` each.
    fn views(&self, rec: &Recording, samples: usize, step: &Tensor) -> Result<Tensor> {
        let views = Tensor::new(rec, &[samples, 4]);
        let p = Draw {
            samples: samples as u32,
            view: self.view,
            flip: self.flip,
            turns: self.most_turns(),
            shift: self.shift,
        };
        let cost = Cost { flops: 0, trips: 0, shape: format!("{samples} samples") };
        let slices = [&step.data, &views.data];
        rec.launch(&DRAW, &[], p, &slices, Gpu::grid(samples), cost)?;
        Ok(views)
    }
    /// Draws the view of image number `sample` of the batch in this step: the bits that the device
    /// draws.
    pub fn draw(&self, step: &Step, sample: u32) -> View {
        let words = Philox::block(step.key(), [step.step, sample, step.stage, self.view]);
        let u = words.map(|word| (word >> 8) as f32 / 16_777_216.0);
        let span = u.map(|u| 2.0 * u - 1.0);
        View {
            side: if u[0] < self.flip { -1.0 } else { 1.0 },
            turns: span[1] * self.most_turns(),
            right: span[2] * self.shift,
            down: span[3] * self.shift,
        }
    }
    fn most_turns(&self) -> f32 {
        self.rotate_deg / 360.0
    }
}
