//! DeepLabV3 (Chen et al. 2017): atrous spatial pyramid pooling on a dilated ResNet.

use super::{
    ResNet,
    resnet::{self, ConvNorm},
};
use crate::{Error, Result};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    nn::{self, BatchNorm, Conv2d},
    ops::{
        concat::Concat,
        conv2d,
        cross_entropy::CrossEntropy,
        dice_loss::DiceLoss,
        dropout::Dropout,
        global_avg_pool::GlobalAvgPool,
        relu::Relu,
        resize::{self, Resize},
    },
    tensor::{Init, Scope, Tensor},
};
use std::rc::Rc;

/// Number of channels of each branch of the pyramid, and behind it.
const WIDTH: usize = 256;
/// Weight of the auxiliary head's loss (torchvision's reference training).
const AUX_WEIGHT: f64 = 0.5;
/// Dropout of the auxiliary head as a share of the other's: torchvision's 0.1 of 0.5.
const AUX_DROPOUT: f32 = 0.2;

/// Options in which implementations of DeepLabV3 differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeepLabOptions {
    /// Output stride: pixels of the image for one of the last features, 8, 16 or 32.
    pub output_stride: usize,
    /// Dilation rates: pixels between the taps of the pyramid's three atrous branches.
    pub rates: [usize; 3],
    /// Factors of the last layer's dilations, block by block, as PaddleSeg has them; without them
    /// dilated as torchvision does.
    pub multi_grid: Option<[usize; 3]>,
    /// Whether a 3 × 3 convolution stands between the pyramid and the logits.
    pub refine: bool,
    /// Share of features that dropout sets to zero behind the pyramid, and a fifth of it in the
    /// auxiliary head.
    pub dropout: f32,
    /// Whether a second head stands on C4, for training alone.
    pub aux: bool,
}

impl DeepLabOptions {
    /// The options as torchvision builds it: rates 12, 24, 36 at output stride 8, else 6, 12, 18
    /// (Chen et al.).
    pub fn torchvision(output_stride: usize) -> Self {
        let rates = if output_stride == 8 { [12, 24, 36] } else { [6, 12, 18] };
        Self { output_stride, rates, multi_grid: None, refine: true, dropout: 0.5, aux: false }
    }
    /// The options as PaddleSeg's configuration for ResNet-50 builds it: multi-grid 1, 2, 4, the
    /// pyramid straight to the logits, dropout 0.1. (The biases that it has in front of batch norm do
    /// nothing.)
    pub fn paddle(output_stride: usize) -> Self {
        let multi_grid = Some([1, 2, 4]);
        Self { multi_grid, refine: false, dropout: 0.1, ..Self::torchvision(output_stride) }
    }
}

impl DeepLabOptions {
    /// Distances of the taps of a layer's block, as [`ResNet::dilated`] asks.
    pub fn dilation(&self, layer: usize, block: usize) -> Option<[usize; 2]> {
        match self.multi_grid {
            None => resnet::dilation(self.output_stride, layer, block),
            Some(grid) => resnet::multi_grid(self.output_stride, grid, layer, block),
        }
    }
}

/// A backbone and the segmentation heads: C5 to logits by a pyramid, and C4 to logits for training.
pub struct DeepLab {
    backbone: Rc<ResNet>,
    options: DeepLabOptions,
    classes: usize,
    /// Branches of the pyramid: 1 × 1, three atrous 3 × 3, and a 1 × 1 on the image's mean.
    branches: Vec<ConvNorm>,
    project: ConvNorm,
    refine: Option<ConvNorm>,
    logits: Conv2d,
    aux: Option<Fcn>,
}

/// Head of torchvision's FCN: 3 × 3 to a quarter of the channels, then logits.
struct Fcn {
    conv: ConvNorm,
    logits: Conv2d,
}

/// Declares a convolution at `at.{names[0]}` and its batch norm at `at.{names[1]}`.
fn conv_norm(at: &Scope, names: [&str; 2], c: [usize; 2], kernel: usize, rate: usize) -> ConvNorm {
    let op = conv2d::Conv2d { dilation: [rate; 2], ..conv2d::Conv2d::new(1, kernel / 2 * rate) };
    ConvNorm {
        conv: Conv2d::uniform(at.at(names[0]), c, kernel, op),
        norm: BatchNorm::new(at.at(names[1]), c[1]),
    }
}

fn logits(at: Scope, c: usize, classes: usize) -> Conv2d {
    let init = Init::Uniform(1.0 / (c as f32).sqrt());
    Conv2d::biased(at, [c, classes], 1, conv2d::Conv2d::new(1, 0), init)
}

impl DeepLab {
    /// Names of the losses: of the head, and of the auxiliary head, which counts half.
    pub const LOSSES: [&'static str; 2] = ["mask", "aux"];
    /// Declares the head below `classifier`, and below `aux_classifier` if the options want one,
    /// under torchvision's names.
    pub fn new(
        scope: &Scope,
        backbone: &Rc<ResNet>,
        classes: usize,
        options: DeepLabOptions,
    ) -> Self {
        let c5 = backbone.depth.features();
        let classifier = scope.at("classifier");
        let pyramid = classifier.at("0");
        let convs = pyramid.at("convs");
        let branch = |i: usize, names, kernel, rate| {
            conv_norm(&convs.at(&i.to_string()), names, [c5, WIDTH], kernel, rate)
        };
        let mut branches = vec![branch(0, ["0", "1"], 1, 1)];
        for (i, rate) in options.rates.into_iter().enumerate() {
            branches.push(branch(1 + i, ["0", "1"], 3, rate));
        }
        // The pooling is 0 there, so that its convolution is 1.
        branches.push(branch(4, ["1", "2"], 1, 1));
        let joined = [branches.len() * WIDTH, WIDTH];
        Self {
            backbone: backbone.clone(),
            options,
            classes,
            project: conv_norm(&pyramid.at("project"), ["0", "1"], joined, 1, 1),
            branches,
            refine: options.refine.then(|| conv_norm(&classifier, ["1", "2"], [WIDTH; 2], 3, 1)),
            logits: logits(classifier.at("4"), WIDTH, classes),
            aux: options.aux.then(|| {
                let (at, c4) = (scope.at("aux_classifier"), c5 / 2);
                Fcn {
                    conv: conv_norm(&at, ["0", "1"], [c4, c4 / 4], 3, 1),
                    logits: logits(at.at("4"), c4 / 4, classes),
                }
            }),
        }
    }
    /// Computes C2 … C5 of images `[N, H, W, 3]`, dilated as the options say.
    ///
    /// # Errors
    /// An image of other channels, or too small.
    pub fn features(&self, tape: &Tape, x: &Var) -> Result<[Var; 4]> {
        self.backbone.dilated(tape, x, |layer, block| self.options.dilation(layer, block))
    }
    /// Computes C2 … C5 → logits `[N, H, W, L]` for images of `size` `[H, W]`; dropout draws by the
    /// step's record.
    ///
    /// A batch of one image does not end a training: where torchvision raises, since the mean of
    /// one image has no variance over the batch, the image branch is normalised by its running
    /// statistics, which that batch does not move.
    ///
    /// # Errors
    /// Features of other channels.
    pub fn forward(
        &self,
        tape: &Tape,
        [.., c5]: &[Var; 4],
        size: [usize; 2],
        step: &Tensor,
    ) -> Result<Var> {
        let mut y = dropped(tape, &self.pyramid(tape, c5)?, self.options.dropout, 0, step)?;
        if let Some(refine) = &self.refine {
            y = refine.relu(tape, &y)?;
        }
        enlarged(tape, &self.logits.forward(tape, &y)?, size)
    }
    /// Computes logits `[N, H, W, L]` of the auxiliary head, if there is one.
    ///
    /// # Errors
    /// Features of other channels.
    pub fn auxiliary(
        &self,
        tape: &Tape,
        [.., c4, _]: &[Var; 4],
        size: [usize; 2],
        step: &Tensor,
    ) -> Result<Option<Var>> {
        let Some(aux) = &self.aux else { return Ok(None) };
        let y = aux.conv.relu(tape, &nn::leave(tape, c4)?)?;
        let y = dropped(tape, &y, self.options.dropout * AUX_DROPOUT, 1, step)?;
        Ok(Some(enlarged(tape, &aux.logits.forward(tape, &y)?, size)?))
    }
    /// Whether there is an auxiliary head.
    pub fn has_aux(&self) -> bool {
        self.aux.is_some()
    }
    /// Computes the losses of images `[N, H, W, 3]`, to add: of the head and, weighed by ½, of the auxiliary head, if
    /// there is one.
    ///
    /// The target `[N, H, W, 1]` is the mask (Dice, Eq. 7) for one class, else the number of each
    /// pixel's class, negative where it counts for nothing (cross-entropy).
    ///
    /// # Errors
    /// A target of another shape.
    pub fn losses(
        &self,
        tape: &Tape,
        x: &Var,
        target: &Tensor,
        dice: DiceLoss,
        step: &Tensor,
    ) -> Result<Vec<Var>> {
        let [n, h, w, _] = x.value.axes();
        if target.shape != [n, h, w, 1] {
            let expected = format!("masks of {:?}", [n, h, w, 1]);
            let found = format!("{:?}", target.shape);
            return Err(Error::shape("deeplab: target", expected, found));
        }
        let (features, target) = (&self.features(tape, x)?, &tape.input(target));
        let loss = |logits: &Var| match self.classes {
            1 => tape.apply(dice, [logits, target]),
            _ => tape.apply(CrossEntropy, [logits, target]),
        };
        let of_mask = loss(&self.forward(tape, features, [h, w], step)?)?;
        let Some(logits) = self.auxiliary(tape, features, [h, w], step)? else {
            return Ok(vec![of_mask]);
        };
        let of_aux = nn::weighted(tape, &loss(&logits)?, AUX_WEIGHT)?;
        Ok(vec![of_mask, of_aux])
    }
    /// Computes C5 → `[N, H, W, 256]`: all branches side by side, and one convolution.
    fn pyramid(&self, tape: &Tape, c5: &Var) -> Result<Var> {
        let c5 = &nn::leave(tape, c5)?;
        let [n, h, w, c] = c5.value.axes();
        let [straight, near, middle, far, image] = &self.branches[..] else {
            unreachable!("the pyramid has five branches")
        };
        let branch = |branch: &ConvNorm| branch.relu(tape, c5);
        let mean = tape.reshape(&tape.apply(GlobalAvgPool, [c5])?, &[n, 1, 1, c]);
        let mean = image.norm.forward_of_few(tape, &image.conv.forward(tape, &mean)?)?;
        let mean = enlarged(tape, &tape.apply(Relu, [&mean])?, [h, w])?;
        let [straight, near, middle, far] =
            [branch(straight)?, branch(near)?, branch(middle)?, branch(far)?];
        let joined = tape.apply::<5, _>(Concat, [&straight, &near, &middle, &far, &mean])?;
        self.project.relu(tape, &joined)
    }
}

/// Applies dropout number `layer` of this network, in training.
fn dropped(tape: &Tape, x: &Var, p: f32, layer: u32, step: &Tensor) -> Result<Var> {
    if p == 0.0 || tape.mode == Mode::Eval {
        return Ok(x.clone());
    }
    tape.apply(Dropout { p, layer }, [x, &tape.input(step)])
}

fn enlarged(tape: &Tape, x: &Var, size: [usize; 2]) -> Result<Var> {
    tape.apply(Resize { size, mode: resize::Interpolation::Bilinear { align_corners: false } }, [x])
}
