//! ResNet-18 and -50 (He et al. 2016), as torchvision builds them.

use crate::Result;
use mtpret_engine::{
    autograd::{Tape, Var},
    nn::{self, BatchNorm, Conv2d, Linear},
    ops::{
        bce_with_logits::BceWithLogits, conv2d, cross_entropy::CrossEntropy,
        global_avg_pool::GlobalAvgPool, max_pool2d::MaxPool2d,
    },
    tensor::{Scope, Tensor},
};
use std::rc::Rc;

/// Depth of a ResNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// ResNet-18: two basic blocks a layer.
    R18,
    /// ResNet-50: bottlenecks, 3-4-6-3, the stride on the 3 × 3 (torchvision's v1.5).
    R50,
}

impl Depth {
    /// The depth of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "resnet18" => Some(Self::R18),
            "resnet50" => Some(Self::R50),
            _ => None,
        }
    }
    /// Number of blocks of each of the four layers.
    pub fn blocks(self) -> [usize; 4] {
        match self {
            Self::R18 => [2, 2, 2, 2],
            Self::R50 => [3, 4, 6, 3],
        }
    }
    /// Number of convolutions on a block's path.
    pub fn convolutions(self) -> usize {
        match self {
            Self::R18 => 2,
            Self::R50 => 3,
        }
    }
    /// Index of the convolution of a block that has its stride: a 3 × 3.
    pub fn strided(self) -> usize {
        self.convolutions() - 2
    }
    /// Number of channels of C5, the last feature map.
    pub fn features(self) -> usize {
        match self {
            Self::R18 => 512,
            Self::R50 => 2048,
        }
    }
}

/// A convolution and the batch norm behind it.
pub(super) struct ConvNorm {
    pub(super) conv: Conv2d,
    pub(super) norm: BatchNorm,
}

impl ConvNorm {
    fn new(
        at: &Scope,
        names: [&str; 2],
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Self {
        let op = conv2d::Conv2d::new(stride, kernel / 2);
        Self {
            conv: Conv2d::new(at.at(names[0]), channels, kernel, op),
            norm: BatchNorm::new(at.at(names[1]), channels[1]),
        }
    }
    /// Computes max(0, ·) of the normalised convolution.
    pub(super) fn relu(&self, tape: &Tape, x: &Var) -> Result<Var> {
        self.norm.relu(tape, &self.conv.forward(tape, x)?)
    }
    /// Computes the convolution alone; with `dilation` at stride 1, its taps so many pixels apart.
    fn convolve(&self, tape: &Tape, x: &Var, dilation: Option<usize>) -> Result<Var> {
        match dilation {
            None => self.conv.forward(tape, x),
            Some(apart) => self.conv.dilated(tape, x, apart),
        }
    }
}

/// A residual block: two convolutions (basic) or three (bottleneck), and a shortcut.
struct Block {
    path: Vec<ConvNorm>,
    shortcut: Option<ConvNorm>,
}

impl Block {
    fn new(at: &Scope, depth: Depth, c: usize, width: usize, stride: usize) -> Self {
        let out = match depth {
            Depth::R18 => width,
            Depth::R50 => 4 * width,
        };
        // Channels and kernel of each convolution on the path.
        let path: &[([usize; 2], usize)] = match depth {
            Depth::R18 => &[([c, width], 3), ([width, width], 3)],
            Depth::R50 => &[([c, width], 1), ([width, width], 3), ([width, out], 1)],
        };
        let path = path.iter().enumerate().map(|(i, (channels, kernel))| {
            let names = [format!("conv{}", i + 1), format!("bn{}", i + 1)];
            let stride = if i == depth.strided() { stride } else { 1 };
            ConvNorm::new(at, [&names[0], &names[1]], *channels, *kernel, stride)
        });
        let path = path.collect();
        let shortcut = (stride != 1 || c != out)
            .then(|| ConvNorm::new(&at.at("downsample"), ["0", "1"], [c, out], 1, stride));
        Self { path, shortcut }
    }
    /// Computes the block. With `dilation`, strides are 1, the taps of the convolution that may
    /// have a stride lie the first number of pixels apart, those of the others the second.
    fn forward(&self, tape: &Tape, x: &Var, dilation: Option<[usize; 2]>) -> Result<Var> {
        let last = self.path.len() - 1;
        let convolve = |i: usize, x: &Var| {
            let apart = dilation.map(|apart| apart[usize::from(i + 1 != last)]);
            self.path[i].convolve(tape, x, apart)
        };
        let mut y = convolve(0, x)?;
        for i in 0..last {
            y = convolve(i + 1, &self.path[i].norm.relu(tape, &y)?)?;
        }
        let x = match &self.shortcut {
            Some(shortcut) => {
                let x = shortcut.convolve(tape, x, dilation.map(|_| 1))?;
                shortcut.norm.forward(tape, &x)?
            }
            None => x.clone(),
        };
        self.path[last].norm.add_relu(tape, &y, &x)
    }
}

/// The distances of taps by which a ResNet's block keeps to an `output_stride` of 8, 16 or 32, or any power of two; none
/// where the block has its stride.
///
/// A layer that would go beyond it has stride 1 and taps further apart instead, so that each of
/// its outputs sees what it would have seen: cur = its stride / `output_stride` pixels. The
/// first convolution with a stride keeps the distance prev = cur / 2 of the features that it
/// reads; this is torchvision's `replace_stride_with_dilation`. torchvision has no dilated basic block;
/// here it follows the same rule, its first convolution by prev, its second by cur.
pub(super) fn dilation(output_stride: usize, layer: usize, block: usize) -> Option<[usize; 2]> {
    match (4 << layer) / output_stride {
        0 | 1 => None,
        apart if block == 0 => Some([apart / 2, apart]),
        apart => Some([apart; 2]),
    }
}

/// Distances of taps as [`dilation`] gives them, but as PaddleSeg has it: the first block of a layer by cur throughout,
/// the blocks of the last layer `grid` times as far.
pub(super) fn multi_grid(
    output_stride: usize,
    grid: [usize; 3],
    layer: usize,
    block: usize,
) -> Option<[usize; 2]> {
    match (4 << layer) / output_stride {
        0 | 1 => None,
        apart if layer == 3 => Some([apart * grid[block]; 2]),
        apart => Some([apart; 2]),
    }
}

/// ResNet's backbone: a stem and four layers.
pub struct ResNet {
    /// Depth of the ResNet.
    pub depth: Depth,
    stem: ConvNorm,
    layers: Vec<Vec<Block>>,
}

impl ResNet {
    /// Declares the backbone's parameters in `scope`.
    pub fn new(scope: &Scope, depth: Depth) -> Self {
        let stem = ConvNorm {
            conv: Conv2d::new(scope.at("conv1"), [3, 64], 7, conv2d::Conv2d::new(2, 3)),
            norm: BatchNorm::new(scope.at("bn1"), 64),
        };
        let mut c = 64;
        let mut layers = Vec::new();
        for (i, count) in depth.blocks().into_iter().enumerate() {
            let at = scope.at(&format!("layer{}", i + 1));
            let width = 64 << i;
            let mut layer = Vec::new();
            for j in 0..count {
                let stride = if i > 0 && j == 0 { 2 } else { 1 };
                layer.push(Block::new(&at.at(&j.to_string()), depth, c, width, stride));
                c = width * depth.features() / 512;
            }
            layers.push(layer);
        }
        Self { depth, stem, layers }
    }
    /// Computes `[N, H, W, 3] → C2 … C5`, with strides 4, 8, 16 and 32.
    ///
    /// # Errors
    /// An image of other channels, or too small.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<[Var; 4]> {
        self.dilated(tape, x, |_, _| None)
    }
    /// Computes as [`ResNet::forward`], where `dilation` says of a layer's block how far apart its taps are instead of
    /// a stride, in pixels: those of the convolution that has the stride, and those of the others.
    ///
    /// # Errors
    /// An image of other channels, or too small.
    pub fn dilated(
        &self,
        tape: &Tape,
        x: &Var,
        dilation: impl Fn(usize, usize) -> Option<[usize; 2]>,
    ) -> Result<[Var; 4]> {
        let x = self.stem.relu(tape, &nn::enter(tape, x)?)?;
        let pool = MaxPool2d { kernel: [3; 2], stride: [2; 2], padding: [1; 2] };
        let mut x = tape.apply(pool, [&x])?;
        let mut features = Vec::with_capacity(4);
        for (i, layer) in self.layers.iter().enumerate() {
            for (j, block) in layer.iter().enumerate() {
                x = block.forward(tape, &x, dilation(i, j))?;
            }
            features.push(x.clone());
        }
        Ok(features.try_into().unwrap_or_else(|_| unreachable!("there are four layers")))
    }
}

/// Classifier: a backbone, global average pooling and a linear layer on C5.
pub struct Classifier {
    backbone: Rc<ResNet>,
    fc: Linear,
}

impl Classifier {
    /// Declares `fc` in `scope`, which gives `labels` logits.
    pub fn new(scope: &Scope, backbone: &Rc<ResNet>, labels: usize) -> Self {
        let fc = Linear::new(scope.at("fc"), backbone.depth.features(), labels);
        Self { backbone: backbone.clone(), fc }
    }
    /// Computes `[N, H, W, 3] → C2 … C5`.
    ///
    /// # Errors
    /// An image of other channels, or too small.
    pub fn features(&self, tape: &Tape, x: &Var) -> Result<[Var; 4]> {
        self.backbone.forward(tape, x)
    }
    /// Computes C5 → logits `[N, L]`.
    ///
    /// # Errors
    /// A feature map of other channels.
    pub fn logits(&self, tape: &Tape, c5: &Var) -> Result<Var> {
        self.fc.forward(tape, &tape.apply(GlobalAvgPool, [&nn::leave(tape, c5)?])?)
    }
    /// Computes `[N, H, W, 3]` → logits `[N, L]`.
    ///
    /// # Errors
    /// An image of other channels, or too small.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        self.logits(tape, &self.features(tape, x)?[3])
    }
    /// Computes the loss `[1]` of a batch: cross-entropy of classes `[N, 1]` that exclude each other, or binary
    /// cross-entropy of labels `[N, L]`; negative targets count for nothing.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn loss(&self, tape: &Tape, x: &Var, targets: &Tensor, exclusive: bool) -> Result<Var> {
        let logits = self.forward(tape, x)?;
        match exclusive {
            true => tape.apply(CrossEntropy, [&logits, &tape.input(targets)]),
            false => tape.apply(BceWithLogits, [&logits, &tape.input(targets)]),
        }
    }
}
