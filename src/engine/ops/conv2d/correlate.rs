//! The loop behind a convolution and its input gradient: sums over taps at offsets.

use super::{
    kernel::{self, MatrixTile, SumKernel},
    op::Conv2d,
    parts,
};
use crate::{
    Result,
    gpu::{self, Cost, Gpu, Recording, fold},
    kernel, params,
    tensor::{Format, Tensor},
};

const PLAIN: gpu::Kernel<Params> = kernel!("conv2d/plain");
const SUBGROUP: gpu::Kernel<Params> = kernel!("conv2d/subgroup");
const SHARED: gpu::Kernel<Params> = kernel!("conv2d/shared");
const COOP: gpu::Kernel<Params> = kernel!("conv2d/coop");
const TRANSPOSE: gpu::Kernel<Transpose> = kernel!("conv2d/transpose");

params! {
    struct Params {
        rows: u32, grid_h: u32, grid_w: u32, x_h: u32, x_w: u32, x_quads: u32,
        y_h: u32, y_w: u32, y_quads: u32,
        y_step_h: u32, y_step_w: u32, y_first_h: u32, y_first_w: u32,
        x_step_h: u32, x_step_w: u32, x_first_h: i32, x_first_w: i32, x_tap_h: i32, x_tap_w: i32,
        taps_h: u32, taps_w: u32,
        w_first_h: u32, w_first_w: u32, w_tap_h: u32, w_tap_w: u32, w_width: u32,
        w_plane: u32, images: u32, together: u32, parts: u32, chunk: u32,
    }
}
params! { struct Transpose { taps: u32, c_quads: u32, k_quads: u32 } }

/// Outputs of an image up to which rows of a tile come from many images: beyond, few taps would be saved
/// and what one tile has loaded would no longer be near for the next.
const SMALL: usize = 64;

/// One axis of a launch: where outputs lie, where they read, which taps they take.
#[derive(Clone, Copy, Default)]
struct Axis {
    outputs: usize,
    y_step: usize,
    y_first: usize,
    x_step: usize,
    x_first: isize,
    x_tap: isize,
    taps: usize,
    w_first: usize,
    w_tap: usize,
}

impl Axis {
    /// Without the taps that read nothing but padding of an axis of `length`, as most taps of an
    /// atrous kernel do on features smaller than its reach.
    fn trimmed(self, length: usize) -> Self {
        let reads = |tap: &usize| {
            let first = self.x_first + *tap as isize * self.x_tap;
            let last = first + (self.outputs.saturating_sub(1) * self.x_step) as isize;
            last >= 0 && first < length as isize
        };
        // Taps move one way, so that those which read something follow one another.
        let before = (0..self.taps).take_while(|tap| !reads(tap)).count();
        Self {
            taps: (before..self.taps).take_while(reads).count(),
            x_first: self.x_first + before as isize * self.x_tap,
            w_first: self.w_first + before * self.w_tap,
            ..self
        }
    }
}

/// What a launch multiplies.
struct Factors<'a> {
    x: &'a Tensor,
    w: &'a Tensor,
    bias: Option<&'a Tensor>,
    /// w is `[taps, K, C]`, see [`turns`].
    transposed: bool,
    /// Independent products: the images and the weights are of so many planes, one after another.
    planes: usize,
    /// What the launch stands for, if that is not what it computes.
    flops: Option<usize>,
}

/// y of a convolution.
pub(super) fn forward(
    rec: &Recording,
    kernel: SumKernel,
    conv: &Conv2d,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    y: &Tensor,
) -> Result<()> {
    let axis = |i: usize| Axis {
        outputs: y.shape[1 + i],
        y_step: 1,
        y_first: 0,
        x_step: conv.stride[i],
        x_first: -(conv.padding[i] as isize),
        x_tap: conv.dilation[i] as isize,
        taps: w.shape[i],
        w_first: 0,
        w_tap: 1,
    };
    let turned = kernel.takes_inputs_last().then(|| transpose(rec, w)).transpose()?;
    let w = turned.as_ref().unwrap_or(w);
    let factors = Factors { x, w, bias, transposed: false, planes: 1, flops: None };
    launches(rec, kernel, &[[axis(0), axis(1)]], &factors, y)
}

/// dx of a convolution: one launch for each of the s² phases of its stride.
pub(super) fn grad_input(
    rec: &Recording,
    kernel: SumKernel,
    conv: &Conv2d,
    w: &Tensor,
    dy: &Tensor,
    dx: &Tensor,
) -> Result<()> {
    let transposes = kernel.transposes();
    let turns = !transposes && !kernel.takes_inputs_last();
    let copy = turns.then(|| transpose(rec, w)).transpose()?;
    let w_read = copy.as_ref().unwrap_or(w);
    let factors =
        Factors { x: dy, w: w_read, bias: None, transposed: transposes, planes: 1, flops: None };
    let phases = |i: usize| {
        (0..conv.stride[i].min(dx.shape[1 + i])).map(move |first| phase(conv, i, first, dx, w))
    };
    let axes: Vec<_> = phases(0).flat_map(|h| phases(1).map(move |v| [h, v])).collect();
    launches(rec, kernel, &axes, &factors, dx)
}

/// The elements `first, first + stride, …` of dx along axis `i`: tap r reaches them if
/// `first + padding − r·dilation` is a multiple of the stride, and reads dy at that multiple.
fn phase(conv: &Conv2d, i: usize, first: usize, dx: &Tensor, w: &Tensor) -> Axis {
    let (stride, dilation) = (conv.stride[i], conv.dilation[i]);
    let at = |r: usize| (first + conv.padding[i]) as isize - (r * dilation) as isize;
    let reaching: Vec<usize> =
        (0..w.shape[i]).filter(|r| at(*r).rem_euclid(stride as isize) == 0).collect();
    let w_first = reaching.first().copied();
    let w_tap = reaching.get(1).map_or(1, |second| second - reaching[0]);
    Axis {
        outputs: (dx.shape[1 + i] - first).div_ceil(stride),
        y_step: stride,
        y_first: first,
        x_step: 1,
        x_first: w_first.map_or(0, |r| at(r) / stride as isize),
        x_tap: -((w_tap * dilation / stride) as isize),
        taps: reaching.len(),
        w_first: w_first.unwrap_or(0),
        w_tap,
    }
}

/// y `[planes, 1, rows, K]` = x `[planes, 1, rows, C]` · w `[planes, 1, C⌈4⌉, K]`, plane by plane; or w is
/// `[planes, 1, K⌈4⌉, C]`, if the kernel [turns](SumKernel::turns) it.
///
/// `flops` is what it stands for.
pub(super) fn multiply(
    rec: &Recording,
    kernel: SumKernel,
    x: &Tensor,
    w: &Tensor,
    transposed: bool,
    flops: usize,
) -> Result<Tensor> {
    let [planes, _, rows, _] = x.axes();
    let k = if transposed { w.shape[2] } else { w.shape[3] };
    let y = Tensor::new(rec, &[planes, 1, rows, k]);
    let axis =
        |outputs| Axis { outputs, y_step: 1, x_step: 1, taps: 1, w_tap: 1, ..Axis::default() };
    let factors = Factors { x, w, bias: None, transposed, planes, flops: Some(flops) };
    launch(rec, kernel, [axis(1), axis(rows)], &factors, &y, None)?;
    Ok(y)
}

/// w `[R, S, C⌈4⌉, K]` as `[R, S, K⌈4⌉, C]`.
pub(super) fn transpose(rec: &Recording, w: &Tensor) -> Result<Tensor> {
    let [r, s, c, k] = w.axes();
    let out = Tensor::of(rec, w.format, &[r, s, k.next_multiple_of(4), c]);
    let p = Transpose { taps: (r * s) as u32, c_quads: (c / 4) as u32, k_quads: w.quads() as u32 };
    let threads = r * s * c / 4 * w.quads();
    let cost = Cost { flops: 0, trips: 0, shape: format!("{:?}", w.shape) };
    rec.launch(&TRANSPOSE, &w.constants(&[]), p, &[&w.data, &out.data], Gpu::grid(threads), cost)?;
    Ok(out)
}

/// The launches that y is made of; where its sums are cut into parts, all of them write parts, which are then added.
fn launches(
    rec: &Recording,
    kernel: SumKernel,
    axes: &[[Axis; 2]],
    factors: &Factors,
    y: &Tensor,
) -> Result<()> {
    let count = count_of_parts(rec, kernel, axes, factors, y);
    let room = (count > 1).then(|| parts::room(rec, count, y));
    for axes in axes {
        launch(rec, kernel, *axes, factors, y, room.as_ref())?;
    }
    room.map_or(Ok(()), |room| parts::add(rec, &room, factors.bias, y))
}

/// Into how many parts the sums are cut: as the launch with the most terms needs it, and as an adapter binds them.
fn count_of_parts(
    rec: &Recording,
    kernel: SumKernel,
    axes: &[[Axis; 2]],
    factors: &Factors,
    y: &Tensor,
) -> usize {
    let SumKernel::Shared { tile, split: true } = kernel else { return 1 };
    let of = |[h, v]: &[Axis; 2]| {
        let terms = h.taps * v.taps * factors.x.channels().next_multiple_of(4);
        let rows = factors.x.shape[0] * h.outputs * v.outputs;
        kernel::parts(tile.count([rows, y.channels()]), terms)
    };
    let bound = rec.gpu.caps().limits.max_storage_buffer_binding_size as usize;
    let most = bound / (16 * y.rows() * y.quads()).max(1);
    axes.iter().map(of).max().unwrap_or(1).min(most)
}

fn launch(
    rec: &Recording,
    kernel: SumKernel,
    [h, v]: [Axis; 2],
    factors: &Factors,
    y: &Tensor,
    room: Option<&Tensor>,
) -> Result<()> {
    let Factors { x, w, bias, transposed, planes, flops } = *factors;
    let ([n, x_h, x_w, c], [_, y_h, y_w, k]) = (x.axes(), y.axes());
    let (h, v) = (h.trimmed(x_h), v.trimmed(x_w));
    let images = n / planes;
    let rows = images * h.outputs * v.outputs;
    let count = room.map_or(1, |room| room.shape[0]);
    let p = Params {
        rows: rows as u32,
        grid_h: h.outputs as u32,
        grid_w: v.outputs as u32,
        x_h: x_h as u32,
        x_w: x_w as u32,
        x_quads: x.quads() as u32,
        y_h: y_h as u32,
        y_w: y_w as u32,
        y_quads: y.quads() as u32,
        y_step_h: h.y_step as u32,
        y_step_w: v.y_step as u32,
        y_first_h: h.y_first as u32,
        y_first_w: v.y_first as u32,
        x_step_h: h.x_step as u32,
        x_step_w: v.x_step as u32,
        x_first_h: h.x_first as i32,
        x_first_w: v.x_first as i32,
        x_tap_h: h.x_tap as i32,
        x_tap_w: v.x_tap as i32,
        taps_h: h.taps as u32,
        taps_w: v.taps as u32,
        w_first_h: h.w_first as u32,
        w_first_w: v.w_first as u32,
        w_tap_h: h.w_tap as u32,
        w_tap_w: v.w_tap as u32,
        w_width: w.shape[1] as u32,
        w_plane: (w.rows() / planes * w.quads()) as u32,
        images: images as u32,
        together: if h.outputs * v.outputs <= SMALL { images as u32 } else { 1 },
        parts: count as u32,
        chunk: (h.taps * v.taps * x.quads()).div_ceil(2).div_ceil(count) as u32,
    };
    let taps = h.taps * v.taps;
    let half = x.format == Format::F16;
    let matrices = |tile| {
        let made = MatrixTile::of(tile, &rec.gpu.caps().matrices, half);
        made.expect("a kernel that was offered for matrices that there are")
    };
    let trips = match kernel {
        SumKernel::Plain | SumKernel::Subgroup => h.taps + taps * (1 + x.quads()),
        SumKernel::Coop { tile } => {
            let tile = matrices(tile);
            tile.rounds * (1 + (4 * taps * x.quads()).div_ceil(tile.terms))
        }
        SumKernel::Shared { .. } => p.chunk as usize,
    };
    let cost = Cost {
        flops: flops.unwrap_or(2 * planes * rows * h.taps * v.taps * c * k) as u64,
        trips: trips as u64,
        shape: format!("{:?} × {:?} → {:?}", x.shape, w.shape, y.shape),
    };
    // A kernel without a bias binds w in its place and never reads it.
    let slices = [&x.data, &w.data, &bias.unwrap_or(w).data, &y.data];
    let bias = ("HAS_BIAS", u32::from(bias.is_some()));
    let tiles = |rows_of_tile: usize, quads_of_tile: usize| {
        let [gx, gy, _] = fold(rows.div_ceil(rows_of_tile));
        [gx, gy, (planes * y.quads().div_ceil(quads_of_tile)) as u32]
    };
    match kernel {
        SumKernel::Subgroup => {
            let constants = x.constants(&[bias, ("TRANSPOSED", u32::from(transposed))]);
            rec.launch(&SUBGROUP, &constants, p, &slices, tiles(16, 16), cost)
        }
        SumKernel::Shared { tile, .. } => {
            let [gx, gy, _] = fold(rows.div_ceil(tile.rows()) * count);
            let grid = [gx, gy, (planes * y.quads().div_ceil(tile.quads())) as u32];
            let [height, width] = tile.constants();
            let odd = ("ODD", (x.quads() % 2) as u32);
            let (bias, to) = match room {
                Some(room) => (("HAS_BIAS", 0), &room.data),
                None => (bias, &y.data),
            };
            let in_parts = ("IN_PARTS", u32::from(room.is_some()));
            let constants = x.constants(&[bias, in_parts, height, width, odd]);
            let slices = [slices[0], slices[1], slices[2], to];
            rec.launch(&SHARED, &constants, p, &slices, grid, cost)
        }
        SumKernel::Coop { tile } => {
            let made = matrices(tile);
            let ragged = !(4 * x.quads()).is_multiple_of(made.terms);
            let load = MatrixTile::load(half, &[x.quads()]);
            let own = [bias, ("RAGGED", u32::from(ragged)), ("LOAD", load as u32)];
            let constants = x.constants(&[&own[..], &made.constants].concat());
            rec.launch(&COOP, &constants, p, &slices, tiles(tile.rows(), tile.quads()), cost)
        }
        SumKernel::Plain => {
            let grid = Gpu::grid(rows * y.quads());
            rec.launch(&PLAIN, &x.constants(&[bias]), p, &slices, grid, cost)
        }
    }
}
