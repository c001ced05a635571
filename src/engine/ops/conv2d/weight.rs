//! Gradients of a convolution's weights and bias.

use super::{
    kernel::{MatrixTile, SumKernel},
    op::Conv2d,
    parts,
};
use crate::{
    Result,
    gpu::{self, Cost, Gpu, Recording, fold},
    kernel, params,
    tensor::{Format, Tensor},
};

const PLAIN: gpu::Kernel<Params> = kernel!("conv2d/weight_plain");
const SUBGROUP: gpu::Kernel<Params> = kernel!("conv2d/weight_subgroup");
const SHARED: gpu::Kernel<Params> = kernel!("conv2d/weight_shared");
const COOP: gpu::Kernel<Params> = kernel!("conv2d/weight_coop");
const BIAS: gpu::Kernel<Bias> = kernel!("conv2d/bias_gradient");

params! {
    struct Params {
        pixels: u32, chunk: u32, parts: u32, p_h: u32, p_w: u32, x_h: u32, x_w: u32, x_quads: u32,
        y_quads: u32, taps: u32, taps_w: u32, stride_h: u32, stride_w: u32,
        padding_h: u32, padding_w: u32, dilation_h: u32, dilation_w: u32,
        images: u32, planes: u32,
    }
}
params! { struct Bias { rows: u32, part: u32, quads: u32 } }

/// Parts of a weight gradient, which one thread adds.
const MOST_PARTS: usize = 256;
/// Rows of dy that a thread sums for a bias; of more, several workgroups sum parts.
const ROWS_OF_THREAD: usize = 32;

/// dw of a convolution.
pub(super) fn grad_weight(
    rec: &Recording,
    kernel: SumKernel,
    conv: &Conv2d,
    x: &Tensor,
    w: &Tensor,
    dy: &Tensor,
) -> Result<Tensor> {
    let flops = 2 * dy.rows() * w.shape[0] * w.shape[1] * x.channels() * dy.channels();
    let dw = Tensor::new(rec, &w.shape);
    launch(rec, kernel, conv, [x, dy], 1, &dw, flops)?;
    Ok(dw)
}

/// `[planes, 1, C⌈4⌉, K]` = xᵀ · dy, plane by plane, of x `[planes, 1, rows, C]` and dy `[planes, 1, rows, K]`;
/// `flops` is what it stands for.
pub(super) fn multiply(
    rec: &Recording,
    kernel: SumKernel,
    x: &Tensor,
    dy: &Tensor,
    flops: usize,
) -> Result<Tensor> {
    let [planes, _, _, c] = x.axes();
    let dw = Tensor::new(rec, &[planes, 1, c.next_multiple_of(4), dy.channels()]);
    launch(rec, kernel, &Conv2d::new(1, 0), [x, dy], planes, &dw, flops)?;
    Ok(dw)
}

/// dw `[R, S, C⌈4⌉, K]`, or a plane after the other, each of one tap.
///
/// The pixels are cut into parts so that the adapter has enough workgroups, and the parts are added
/// in a fixed order.
fn launch(
    rec: &Recording,
    kernel: SumKernel,
    conv: &Conv2d,
    [x, dy]: [&Tensor; 2],
    planes: usize,
    dw: &Tensor,
    flops: usize,
) -> Result<()> {
    let ([n, x_h, x_w, _], [_, p_h, p_w, _]) = (x.axes(), dy.axes());
    let [r, s, ..] = dw.axes();
    let (images, taps) = (n / planes, r * s / planes);
    let pixels = images * p_h * p_w;
    let row_quads = taps * x.quads();
    let half = x.format == Format::F16;
    let matrices = |tile| {
        let made = MatrixTile::of(tile, &rec.gpu.caps().matrices, half);
        made.expect("a kernel that was offered for matrices that there are")
    };
    // Quads of rows and of columns in a tile, pixels that a trip adds, the least pixels worth a part, and how many workgroups
    // keep the adapter busy.
    let [tile, k_tile, together, least, enough] = match kernel {
        SumKernel::Subgroup => [4, 16, 4, 256, 16],
        SumKernel::Shared { tile, .. } => [tile.rows() / 4, tile.quads(), 8, 128, 512],
        SumKernel::Coop { tile } => [tile.rows() / 4, tile.quads(), matrices(tile).terms, 256, 512],
        SumKernel::Plain => [1, 16, 1, 64, 256],
    };
    let (tiles, k_tiles) = (row_quads.div_ceil(tile), dy.quads().div_ceil(k_tile));
    let count = enough.div_ceil(tiles * k_tiles * planes).min(pixels.div_ceil(least));
    let count = count.clamp(1, MOST_PARTS);
    // Whole eights, or trips, so that only the last part has a ragged end.
    let chunk = pixels.div_ceil(count).next_multiple_of(together.max(8));
    let count = pixels.div_ceil(chunk);
    let to = if count == 1 { dw.clone() } else { parts::room(rec, count, dw) };
    let p = Params {
        pixels: pixels as u32,
        chunk: chunk as u32,
        parts: count as u32,
        p_h: p_h as u32,
        p_w: p_w as u32,
        x_h: x_h as u32,
        x_w: x_w as u32,
        x_quads: x.quads() as u32,
        y_quads: dy.quads() as u32,
        taps: taps as u32,
        taps_w: s as u32,
        stride_h: conv.stride[0] as u32,
        stride_w: conv.stride[1] as u32,
        padding_h: conv.padding[0] as u32,
        padding_w: conv.padding[1] as u32,
        dilation_h: conv.dilation[0] as u32,
        dilation_w: conv.dilation[1] as u32,
        images: images as u32,
        planes: planes as u32,
    };
    let cost = Cost {
        flops: flops as u64,
        trips: match kernel {
            SumKernel::Coop { tile } => matrices(tile).rounds * (1 + chunk.div_ceil(together)),
            _ => chunk.div_ceil(together),
        } as u64,
        shape: format!("{:?} × {:?} → {:?}, {count} parts", x.shape, dy.shape, dw.shape),
    };
    let slices = [&x.data, &dy.data, &to.data];
    let [gx, gy, _] = fold(tiles * count);
    let grid = [gx, gy, (planes * k_tiles) as u32];
    match kernel {
        SumKernel::Subgroup => rec.launch(&SUBGROUP, &x.constants(&[]), p, &slices, grid, cost)?,
        SumKernel::Shared { tile, .. } => {
            rec.launch(&SHARED, &x.constants(&tile.constants()), p, &slices, grid, cost)?
        }
        SumKernel::Coop { tile } => {
            let load = ("LOAD", MatrixTile::load(half, &[x.quads(), dy.quads()]) as u32);
            let constants = x.constants(&[&[load][..], &matrices(tile).constants].concat());
            rec.launch(&COOP, &constants, p, &slices, grid, cost)?;
        }
        SumKernel::Plain => {
            let grid = Gpu::grid(count * row_quads * dy.quads());
            rec.launch(&PLAIN, &x.constants(&[]), p, &slices, grid, cost)?
        }
    }
    if count > 1 { parts::add(rec, &to, None, dw) } else { Ok(()) }
}

/// db: dy summed over all pixels.
pub(super) fn grad_bias(rec: &Recording, dy: &Tensor) -> Result<Tensor> {
    let db = Tensor::new(rec, &[dy.channels()]);
    let (rows, quads) = (dy.rows(), dy.quads());
    let count = rows.div_ceil(256 * ROWS_OF_THREAD);
    let part = rows.div_ceil(count);
    let to = if count == 1 { db.clone() } else { parts::room(rec, count, &db) };
    let p = Bias { rows: rows as u32, part: part as u32, quads: quads as u32 };
    let cost = Cost {
        flops: (rows * dy.channels()) as u64,
        trips: part.div_ceil(256) as u64,
        shape: format!("{:?} → {:?}", dy.shape, db.shape),
    };
    let grid = [quads as u32, count as u32, 1];
    rec.launch(&BIAS, &dy.constants(&[]), p, &[&dy.data, &to.data], grid, cost)?;
    if count > 1 {
        parts::add(rec, &to, None, &db)?;
    }
    Ok(db)
}
