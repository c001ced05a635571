//! The op and the shape of its result.

/// 2-D convolution, as `torch.nn.functional.conv2d` (groups 1).
///
/// ```text
/// y[n,p,q,k] = b[k] + Σ r,s,c  x[n, p·stride + r·dilation − padding, q·stride + s·dilation − padding, c] · w[r,s,c,k]
/// ```
/// Shapes: x `[N, H, W, C]`, w `[R, S, C⌈4⌉, K]` of one format, b `[K]` → y `[N, P, Q, K]` of theirs, dw and db of f32, with
/// `P = (H + 2·padding − dilation·(R − 1) − 1) / stride + 1`; pairs are (height, width), in pixels.
/// Errs if the channels of x and w differ or if P or Q would be 0.
/// Cost: 2·N·P·Q·K·R·S·C flop each for y, dx and dw.
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    /// Pixels between outputs.
    pub stride: [usize; 2],
    /// Zeros around the image.
    pub padding: [usize; 2],
    /// Pixels between taps.
    pub dilation: [usize; 2],
}

impl Conv2d {
    /// Stride and padding of a square kernel, no dilation.
    pub fn new(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 2], padding: [padding; 2], dilation: [1; 2] }
    }
    /// `[P, Q]` of an image `[H, W]` under a kernel `[R, S]`; `None` where one would be 0.
    pub fn output(&self, image: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        let mut out = [0; 2];
        for i in 0..2 {
            let reach = self.dilation[i] * (kernel[i] - 1) + 1;
            out[i] = (image[i] + 2 * self.padding[i]).checked_sub(reach)? / self.stride[i] + 1;
        }
        Some(out)
    }
}
