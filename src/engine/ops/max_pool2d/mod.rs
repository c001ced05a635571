//! 2-D max pooling.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording, Slice},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("max_pool2d/forward");
const BACKWARD: Kernel<Params> = kernel!("max_pool2d/backward");
params! {
    struct Params {
        total: u32,
        height: u32,
        width: u32,
        out_height: u32,
        out_width: u32,
    }
}

/// 2-D max pooling, as `torch.nn.functional.max_pool2d` (dilation 1, `ceil_mode` false).
///
/// ```text
/// y[n,p,q,c] = max r<R,s<S  x[n, p·stride + r − padding, q·stride + s − padding, c]
/// ```
/// Shapes: x `[N, H, W, C]` of either format → y `[N, P, Q, C]` with `P = (H + 2·padding − R) / stride + 1`; pairs are
/// (height, width), in pixels. What lies outside the image takes no part. The gradient goes to the
/// maximum, the first one in row-major order where several are equal. Errs if a size is 0 or beyond
/// 65 535, if the padding is more than half the kernel, or if P or Q would be 0.
/// Cost: R·S/stride² reads of x forwards, as many of dy backwards.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// Height R and width S of the window.
    pub kernel: [usize; 2],
    /// Pixels between windows.
    pub stride: [usize; 2],
    /// Pixels around the image.
    pub padding: [usize; 2],
}

impl MaxPool2d {
    /// Extents `[P, Q]` of the output of an image `[H, W]`; `None` where the window does not fit.
    pub fn output(&self, image: [usize; 2]) -> Option<[usize; 2]> {
        let mut out = [0; 2];
        for i in 0..2 {
            let (kernel, stride, padding) = (self.kernel[i], self.stride[i], self.padding[i]);
            // Beyond 65 535 the kernels' 32-bit coordinates might not hold.
            let sizes = 1..=65_535;
            if !sizes.contains(&kernel) || !sizes.contains(&stride) || padding > kernel / 2 {
                return None;
            }
            out[i] = (image[i] + 2 * padding).checked_sub(kernel)? / stride + 1;
        }
        Some(out)
    }
    fn launch(
        &self,
        rec: &Recording,
        kernel: &Kernel<Params>,
        [x, y]: [[usize; 4]; 2],
        slices: [&Slice; 3],
        to: &Tensor,
        [down, across]: [usize; 2],
    ) -> Result<()> {
        let threads = to.rows() * to.quads();
        let [[kernel_h, kernel_w], [stride_h, stride_w], [padding_h, padding_w]] =
            [self.kernel, self.stride, self.padding].map(|pair| pair.map(|v| v as u32));
        let constants = [
            ("KERNEL_H", kernel_h),
            ("KERNEL_W", kernel_w),
            ("STRIDE_H", stride_h),
            ("STRIDE_W", stride_w),
            ("PADDING_H", padding_h),
            ("PADDING_W", padding_w),
            ("QUADS", x[3].div_ceil(4) as u32),
        ];
        let params = Params {
            total: threads as u32,
            height: x[1] as u32,
            width: x[2] as u32,
            out_height: y[1] as u32,
            out_width: y[2] as u32,
        };
        let trips = (down * (1 + across)) as u64;
        let cost = Cost { flops: 0, trips, shape: format!("{x:?} to {y:?}") };
        rec.launch(kernel, &to.constants(&constants), params, &slices, Gpu::grid(threads), cost)
    }
}

/// Tensors of the forward pass that the gradient needs.
pub struct Origin {
    /// The axes of x.
    image: [usize; 4],
    /// The pixel h·W + w that every y came from, as the bits of a u32.
    pixel: Tensor,
}

impl Op<1> for MaxPool2d {
    type Saved = Origin;

    fn forward(&self, rec: &Recording, [x]: [&Tensor; 1]) -> Result<(Tensor, Origin)> {
        let image @ [n, h, w, c] = x.axes();
        let Some([p, q]) = self.output([h, w]) else {
            let expected = format!("a window within x {:?}", x.shape);
            return Err(Error::shape("max_pool2d", expected, format!("{self:?}")));
        };
        let y = Tensor::of(rec, x.format, &[n, p, q, c]);
        let pixel = Tensor::new(rec, &y.shape);
        let slices = [&x.data, &y.data, &pixel.data];
        self.launch(rec, &FORWARD, [image, y.axes()], slices, &y, self.kernel)?;
        Ok((y, Origin { image, pixel }))
    }
    fn backward(
        &self,
        rec: &Recording,
        Origin { image, pixel }: &Origin,
        dy: &Tensor,
        needs: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        if !needs[0] {
            return Ok([None]);
        }
        let dx = Tensor::of(rec, dy.format, image);
        let slices = [&pixel.data, &dy.data, &dx.data];
        // Windows that contain a pixel.
        let windows = [0, 1].map(|i| self.kernel[i].div_ceil(self.stride[i]));
        self.launch(rec, &BACKWARD, [*image, dy.axes()], slices, &dx, windows)?;
        Ok([Some(dx)])
    }
}
