//! Assignment of boxes to the maps of a feature pyramid.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const LEVEL: Kernel<Params> = kernel!("level_boxes/level");
params! { struct Params { rows: u32, boxes: u32, box_quads: u32, bounds: u32, first: f32 } }

/// Assignment of each box to a map by its size, as torchvision's `LevelMapper`:
/// `⌊4 + log2(√area / 224) + 1e-6⌋`, held to the maps there are.
///
/// The bounds are areas, so that no logarithm decides on which side a box of just 112² pixels lies.
#[derive(Clone, Copy, Debug)]
pub struct LevelBoxes {
    /// Level of the first map: 2 for stride 4.
    pub first: i32,
    /// Number of maps.
    pub maps: usize,
}

impl LevelBoxes {
    /// The least area of the second map, in square pixels.
    pub fn bound(&self) -> f64 {
        let side = 224.0 * f64::from(self.first + 1 - 4).exp2() * (-1e-6f64).exp2();
        side * side
    }
    /// Records the maps' numbers, from 0; −1 for a box without area, which is none.
    ///
    /// Shapes: boxes `[N, K, 4]` in pixels of the image → `[N, K]`. Has no derivative. Cost: one read.
    ///
    /// # Errors
    /// Boxes of another shape.
    pub fn forward(&self, rec: &Recording, boxes: &Tensor) -> Result<Tensor> {
        let &[n, k, 4] = &boxes.shape[..] else {
            let found = format!("{:?}", boxes.shape);
            return Err(Error::shape("level_boxes", "boxes [N, K, 4]", found));
        };
        let y = Tensor::new(rec, &[n, k]);
        let p = Params {
            rows: n as u32,
            boxes: k as u32,
            box_quads: y.quads() as u32,
            bounds: self.maps as u32 - 1,
            first: self.bound() as f32,
        };
        let trips = self.maps as u64 - 1;
        let cost = Cost { flops: 10 * (n * k) as u64, trips, shape: format!("{:?}", boxes.shape) };
        let grid = Gpu::grid(4 * n * y.quads());
        rec.launch(&LEVEL, &[], p, &[&boxes.data, &y.data], grid, cost)?;
        Ok(y)
    }
}
