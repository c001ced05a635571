//! Feature pyramid network (Lin et al. 2017), as torchvision builds it.

use crate::{Result, models::Depth};
use mtpret_engine::{
    autograd::{Tape, Var},
    nn::{self, Conv2d},
    ops::{
        add::Add,
        conv2d,
        max_pool2d::MaxPool2d,
        resize::{Interpolation, Resize},
    },
    tensor::{Init, Scope},
};

/// Number of channels of every map of the pyramid.
pub const CHANNELS: usize = 256;

/// Feature pyramid, C2 … C5 → P2 … P6: 1 × 1 convolutions, sums from the top down, 3 × 3
/// convolutions.
pub struct Pyramid {
    inner: [Conv2d; 4],
    layer: [Conv2d; 4],
}

impl Pyramid {
    /// Declares `inner_blocks.0 …` and `layer_blocks.0 …` in `scope`.
    pub fn new(scope: &Scope, depth: Depth) -> Self {
        // kaiming_uniform with a = 1: ±√(3 / fan in).
        let conv = |name: &str, i: usize, c: usize, kernel: usize| {
            let at = scope.at(name).at(&i.to_string()).at("0");
            let bound = (3.0 / (c * kernel * kernel) as f32).sqrt();
            let op = conv2d::Conv2d::new(1, kernel / 2);
            Conv2d::biased(at, [c, CHANNELS], kernel, op, Init::Uniform(bound))
        };
        let inner = |i: usize| conv("inner_blocks", i, depth.features() >> (3 - i), 1);
        let layer = |i: usize| conv("layer_blocks", i, CHANNELS, 3);
        Self { inner: std::array::from_fn(inner), layer: std::array::from_fn(layer) }
    }
    /// Computes `[N, H, W, C]` of four levels → `[N, H, W, 256]` of five; P6 is every second place
    /// of P5.
    ///
    /// # Errors
    /// Maps of other channels.
    pub fn forward(&self, tape: &Tape, features: &[Var; 4]) -> Result<[Var; 5]> {
        let mut above = self.inner[3].forward(tape, &nn::leave(tape, &features[3])?)?;
        let p5 = self.layer[3].forward(tape, &above)?;
        let every_second = MaxPool2d { kernel: [1; 2], stride: [2; 2], padding: [0; 2] };
        let p6 = tape.apply(every_second, [&p5])?;
        let mut maps = vec![p6, p5];
        for i in (0..3).rev() {
            let lateral = self.inner[i].forward(tape, &nn::leave(tape, &features[i])?)?;
            let [_, h, w, _] = lateral.value.axes();
            let nearest = Resize { size: [h, w], mode: Interpolation::Nearest };
            above = tape.apply(Add, [&lateral, &tape.apply(nearest, [&above])?])?;
            maps.push(self.layer[i].forward(tape, &above)?);
        }
        maps.reverse();
        Ok(maps.try_into().unwrap_or_else(|_| unreachable!("there are five maps")))
    }
}
