//! Layers: structure that names its parameters, as torchvision names them.

use crate::{
    Result,
    autograd::{Mode, Tape, Var},
    ops::{self, conv2d},
    tensor::{Init, Order, Param, Scope},
};

/// Convolution without a bias, Kaiming-initialised (fan out, ReLU) as torchvision's ResNet.
pub struct Conv2d {
    weight: Param,
    op: conv2d::Conv2d,
}

impl Conv2d {
    /// `[C, K]` channels, a square kernel; `op` says stride, padding and dilation.
    pub fn new(scope: Scope, [c, k]: [usize; 2], kernel: usize, op: conv2d::Conv2d) -> Self {
        let deviation = (2.0 / (k * kernel * kernel) as f32).sqrt();
        let shape = [k, c, kernel, kernel];
        let weight = scope.param("weight", Order::Conv, &shape, Init::Normal(deviation));
        Self { weight, op }
    }
    /// `[N, H, W, C] → [N, P, Q, K]`.
    ///
    /// # Errors
    /// An image of other channels, or smaller than the kernel.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        tape.apply::<2, _>(self.op, [x, &tape.param(self.weight)])
    }
}

/// Batch normalisation with PyTorch's defaults: eps 1e-5, momentum 0.1.
pub struct BatchNorm {
    weight: Param,
    bias: Param,
    running: [Param; 2],
}

impl BatchNorm {
    /// For `c` channels.
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
    /// `[N, H, W, C] → [N, H, W, C]`, normalised as the tape's mode says.
    ///
    /// # Errors
    /// A batch that its groups do not divide, or one value a channel in training.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let (training, groups) = match tape.mode {
            Mode::Train { groups } | Mode::Keys { groups } => (true, groups),
            Mode::Eval => (false, 1),
        };
        let running = self.running.map(|p| tape.state.statistics.tensor(p));
        let op = ops::batch_norm::BatchNorm { training, eps: 1e-5, momentum: 0.1, groups, running };
        tape.apply(op, [x, &tape.param(self.weight), &tape.param(self.bias)])
    }
}

/// Fully connected layer with `torch.nn.Linear`'s initialisation: uniform in ±1/√I.
pub struct Linear {
    weight: Param,
    bias: Param,
}

impl Linear {
    /// From `i` to `o` numbers.
    pub fn new(scope: Scope, i: usize, o: usize) -> Self {
        let bound = Init::Uniform(1.0 / (i as f32).sqrt());
        Self {
            weight: scope.param("weight", Order::Linear, &[o, i], bound),
            bias: scope.param("bias", Order::Vector, &[o], bound),
        }
    }
    /// `[N, I] → [N, O]`.
    ///
    /// # Errors
    /// Rows of another length.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let (w, b) = (tape.param(self.weight), tape.param(self.bias));
        tape.apply(ops::linear::Linear, [x, &w, &b])
    }
}
