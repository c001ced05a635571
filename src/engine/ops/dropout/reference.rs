//! Reference of dropout, on the host in f64.

use super::Dropout;
use crate::tensor::{Array, Philox, Step};

/// First counter of dropout's layers; those below belong to the views of images, as in the shader.
const LAYERS: u32 = 0x1_0000;

impl Dropout {
    /// The mask m: 1 where an element is kept, else 0; the bits that the device draws.
    pub fn mask(&self, shape: &[usize], step: &Step) -> Array {
        let mut mask = Array::zeros(shape);
        let channels = shape.last().copied().unwrap_or(1);
        let quads = channels.div_ceil(4);
        for (i, kept) in mask.data.iter_mut().enumerate() {
            let (quad, lane) = (i / channels * quads + i % channels / 4, i % channels % 4);
            let counter = [step.step, quad as u32, step.stage, LAYERS + self.layer];
            let word = Philox::block(step.key(), counter)[lane];
            *kept = f64::from((word >> 8) as f32 / 16_777_216.0 >= self.p);
        }
        mask
    }
    /// Dropout's value on the host in f64. It is linear: of dy it gives dx.
    pub fn reference(&self, x: &Array, step: &Step) -> Array {
        let mut y = self.mask(&x.shape, step);
        y.data.iter_mut().zip(&x.data).for_each(|(m, x)| *m *= x / (1.0 - f64::from(self.p)));
        y
    }
}
