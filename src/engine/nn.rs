//! Layers, whose parameters have torchvision's names.

use crate::{
    Result,
    autograd::{Mode, Tape, Var},
    ops::{self, conv2d, convert::Convert, scale::Scale},
    tensor::{Array, Format, Init, Order, Param, Scope, Tensor},
};

/// Converts a batch for a backbone: of a network that trains in f16, unless it is evaluated, to f16, and with it all
/// that the backbone makes of it.
///
/// # Errors
/// A kernel that does not compile.
pub fn enter(tape: &Tape, x: &Var) -> Result<Var> {
    match tape.state.loss_scale.is_some() && tape.mode != Mode::Eval {
        true => tape.apply(Convert { to: Format::F16 }, [x]),
        false => Ok(x.clone()),
    }
}

/// Converts features for a head, to f32.
///
/// # Errors
/// A kernel that does not compile.
pub fn leave(tape: &Tape, x: &Var) -> Result<Var> {
    match x.value.format {
        Format::F16 => tape.apply(Convert { to: Format::F32 }, [x]),
        Format::F32 => Ok(x.clone()),
    }
}

/// Multiplies a loss by its weight.
///
/// # Errors
/// Too little device memory.
pub fn weighted(tape: &Tape, loss: &Var, weight: f64) -> Result<Var> {
    if weight == 1.0 {
        return Ok(loss.clone());
    }
    let weight = Tensor::upload(&tape.rec.gpu, &Array::new(&[1], vec![weight]))?;
    tape.apply(Scale, [loss, &tape.input(&weight)])
}

/// Convolution, with or without a bias.
pub struct Conv2d {
    weight: Param,
    bias: Option<Param>,
    op: conv2d::Conv2d,
}

impl Conv2d {
    /// Declares a convolution of `[C, K]` channels with a square kernel; `op` says stride, padding
    /// and dilation. Without a bias, Kaiming-initialised (fan out, ReLU) as torchvision's ResNet.
    pub fn new(scope: Scope, [c, k]: [usize; 2], kernel: usize, op: conv2d::Conv2d) -> Self {
        let deviation = (2.0 / (k * kernel * kernel) as f32).sqrt();
        let shape = [k, c, kernel, kernel];
        let weight = scope.param("weight", Order::Conv, &shape, Init::Normal(deviation));
        Self { weight, bias: None, op }
    }
    /// Declares as [`Conv2d::new`], the weight drawn as `torch.nn.Conv2d` does by default: uniform
    /// in ±1/√(C·R·S).
    pub fn uniform(scope: Scope, [c, k]: [usize; 2], kernel: usize, op: conv2d::Conv2d) -> Self {
        let bound = Init::Uniform(1.0 / ((c * kernel * kernel) as f32).sqrt());
        let weight = scope.param("weight", Order::Conv, &[k, c, kernel, kernel], bound);
        Self { weight, bias: None, op }
    }
    /// Declares as [`Conv2d::new`], with a bias that starts at 0 and the weight drawn from `init`.
    pub fn biased(
        scope: Scope,
        [c, k]: [usize; 2],
        kernel: usize,
        op: conv2d::Conv2d,
        init: Init,
    ) -> Self {
        let weight = scope.param("weight", Order::Conv, &[k, c, kernel, kernel], init);
        let bias = Some(scope.param("bias", Order::Vector, &[k], Init::Constant(0.0)));
        Self { weight, bias, op }
    }
    /// Convolves `[N, H, W, C] → [N, P, Q, K]`.
    ///
    /// # Errors
    /// An image of other channels, or smaller than the kernel.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        self.apply(tape, x, self.op)
    }
    /// Convolves as [`Conv2d::forward`] with stride 1 and taps `dilation` pixels apart: the same
    /// weights on features that were not strided, as torchvision's `replace_stride_with_dilation`.
    ///
    /// # Errors
    /// An image of other channels, or smaller than the kernel.
    pub fn dilated(&self, tape: &Tape, x: &Var, dilation: usize) -> Result<Var> {
        let padding = self.op.padding.map(|p| p * dilation);
        self.apply(tape, x, conv2d::Conv2d { stride: [1; 2], padding, dilation: [dilation; 2] })
    }
    fn apply(&self, tape: &Tape, x: &Var, op: conv2d::Conv2d) -> Result<Var> {
        let mut w = tape.param(self.weight);
        if x.value.format == Format::F16 {
            w = tape.apply(Convert { to: Format::F16 }, [&w])?;
        }
        match self.bias {
            Some(bias) => tape.apply::<3, _>(op, [x, &w, &tape.param(bias)]),
            None => tape.apply::<2, _>(op, [x, &w]),
        }
    }
}

/// Batch normalisation with PyTorch's defaults: eps 1e-5, momentum 0.1.
pub struct BatchNorm {
    weight: Param,
    bias: Param,
    running: [Param; 2],
}

impl BatchNorm {
    /// Declares batch norm of `c` channels.
    pub fn new(scope: Scope, c: usize) -> Self {
        Self {
            weight: scope.param("weight", Order::Vector, &[c], Init::Constant(1.0)),
            bias: scope.param("bias", Order::Vector, &[c], Init::Constant(0.0)),
            running: [
                scope.statistic("running_mean", c, 0.0),
                scope.statistic("running_var", c, 1.0),
            ],
        }
    }
    /// Normalises `[N, H, W, C] → [N, H, W, C]` as the tape's mode says.
    ///
    /// # Errors
    /// A batch that its groups do not divide, or one value a channel in training.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let (training, groups) = statistics(tape);
        tape.apply::<3, _>(self.op(tape, training, groups), self.inputs(tape, x).each_ref())
    }
    /// Returns max(0, ·) of [`BatchNorm::forward`], in the same pass over memory.
    ///
    /// # Errors
    /// As [`BatchNorm::forward`].
    pub fn relu(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let (training, groups) = statistics(tape);
        let op = ops::batch_norm::BatchNorm { relu: true, ..self.op(tape, training, groups) };
        tape.apply::<3, _>(op, self.inputs(tape, x).each_ref())
    }
    /// Returns max(0, · + residual) of [`BatchNorm::forward`], in the same pass over memory.
    ///
    /// # Errors
    /// As [`BatchNorm::forward`], or a residual of another shape.
    pub fn add_relu(&self, tape: &Tape, x: &Var, residual: &Var) -> Result<Var> {
        let (training, groups) = statistics(tape);
        let op = ops::batch_norm::BatchNorm { relu: true, ..self.op(tape, training, groups) };
        let [x, weight, bias] = &self.inputs(tape, x);
        tape.apply::<4, _>(op, [x, weight, bias, residual])
    }
    /// Normalises as [`BatchNorm::forward`], but where a group of the batch has one value a
    /// channel, whose variance is 0, by the running statistics, which then stay as they are.
    ///
    /// # Errors
    /// A batch that its groups do not divide.
    pub fn forward_of_few(&self, tape: &Tape, x: &Var) -> Result<Var> {
        match tape.mode {
            Mode::Train { groups } | Mode::NoGrad { groups } if x.value.rows() == groups => {
                tape.apply::<3, _>(self.op(tape, false, 1), self.inputs(tape, x).each_ref())
            }
            _ => self.forward(tape, x),
        }
    }
    fn op(&self, tape: &Tape, training: bool, groups: usize) -> ops::batch_norm::BatchNorm {
        let running = self.running.map(|p| tape.state.statistics.tensor(p));
        let (eps, momentum, relu) = (1e-5, 0.1, false);
        ops::batch_norm::BatchNorm { training, eps, momentum, groups, running, relu }
    }
    fn inputs(&self, tape: &Tape, x: &Var) -> [Var; 3] {
        let own = |param| match tape.mode {
            Mode::Frozen => tape.input(&tape.state.weights.tensor(param)),
            _ => tape.param(param),
        };
        [x.clone(), own(self.weight), own(self.bias)]
    }
}

/// Whether the batch's own statistics normalise it, and in how many groups.
fn statistics(tape: &Tape) -> (bool, usize) {
    match tape.mode {
        Mode::Train { groups } | Mode::NoGrad { groups } => (true, groups),
        Mode::Frozen | Mode::Eval => (false, 1),
    }
}

/// Fully connected layer with `torch.nn.Linear`'s initialisation: uniform in ±1/√I.
pub struct Linear {
    weight: Param,
    bias: Param,
}

impl Linear {
    /// Declares a layer from `i` to `o` numbers.
    pub fn new(scope: Scope, i: usize, o: usize) -> Self {
        let bound = Init::Uniform(1.0 / (i as f32).sqrt());
        Self {
            weight: scope.param("weight", Order::Linear, &[o, i], bound),
            bias: scope.param("bias", Order::Vector, &[o], bound),
        }
    }
    /// Declares as [`Linear::new`] a layer on an image `[H, W, C]` in one row, whose numbers
    /// torchvision flattens as `[C, H, W]`; C a multiple of 4.
    pub fn of_image(scope: Scope, [h, w, c]: [usize; 3], o: usize) -> Self {
        let i = h * w * c;
        let bound = Init::Uniform(1.0 / (i as f32).sqrt());
        Self {
            weight: scope.param("weight", Order::Image { pixels: h * w }, &[o, i], bound),
            bias: scope.param("bias", Order::Vector, &[o], bound),
        }
    }
    /// Maps `[N, I] → [N, O]`.
    ///
    /// # Errors
    /// Rows of another length.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let (w, b) = (tape.param(self.weight), tape.param(self.bias));
        tape.apply(ops::linear::Linear, [x, &w, &b])
    }
}
