//! Long sums in parts, so that few results make enough workgroups.

use crate::{
    Result,
    gpu::{self, Cost, Gpu, Recording},
    kernel, params,
    tensor::Tensor,
};

const SUM: gpu::Kernel<Params> = kernel!("conv2d/sum_parts");

params! { struct Params { quads: u32, parts: u32, y_quads: u32 } }

/// Room for so many parts of y, f32 whatever y is: `[parts, …]`.
pub(super) fn room(rec: &Recording, parts: usize, y: &Tensor) -> Tensor {
    Tensor::new(rec, &[&[parts][..], &y.shape].concat())
}

/// y = Σ parts + bias, in the order of the parts.
pub(super) fn add(
    rec: &Recording,
    parts: &Tensor,
    bias: Option<&Tensor>,
    y: &Tensor,
) -> Result<()> {
    let (quads, count) = (y.rows() * y.quads(), parts.shape[0]);
    let p = Params { quads: quads as u32, parts: count as u32, y_quads: y.quads() as u32 };
    let (flops, trips) = (4 * (quads * count) as u64, count as u64);
    let cost = Cost { flops, trips, shape: format!("{:?} × {count}", y.shape) };
    let constants = y.constants(&[("HAS_BIAS", u32::from(bias.is_some()))]);
    let slices = [&parts.data, &bias.unwrap_or(parts).data, &y.data];
    rec.launch(&SUM, &constants, p, &slices, Gpu::grid(quads), cost)
}
