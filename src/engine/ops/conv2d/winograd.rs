//! Winograd's convolution (Lavin and Gray 2016): 3 × 3 kernels at stride 1 with fewer multiplications.
//!
//! A convolution of m outputs with r taps is a product of polynomials, so it may be evaluated at
//! n = m + r − 1 points, multiplied point by point, and interpolated. Of each tile of an image that takes n²
//! multiplications for m² outputs instead of 9 m²: 36 for 16 at m = 4. Summed over channels, each point
//! is one product of matrices. A dilated convolution is dilation² convolutions, one for each phase of the image.
//!
//! ```text
//! y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ x B) ] A        dw the same of x and dy, with three outputs and m taps
//! ```

use super::{correlate, kernel, op::Conv2d, weight};
use crate::{
    Result,
    gpu::{Cost, Gpu, Kernel, Recording, fold},
    kernel, params,
    tensor::{Array, Tensor},
};

/// Eight lanes a tile and quad of channels.
const BY_COLUMN: Kernel<Params> = kernel!("conv2d/winograd/columns");
/// A thread a tile and channel.
const BY_CHANNEL: Kernel<Params> = kernel!("conv2d/winograd/channels");

params! {
    struct Params {
        tiles: u32, tiles_h: u32, tiles_w: u32, quads: u32, chunk: u32,
        x_tile: u32, x_image: u32, x_row: u32, x_column: u32,
        x_step: u32, x_first_h: i32, x_first_w: i32, x_h: u32, x_w: u32,
        y_tile: u32, y_image: u32, y_row: u32, y_column: u32,
        y_step: u32, y_h: u32, y_w: u32, x_dilation: u32, y_dilation: u32,
    }
}

/// Quads that a workgroup transforms, so that what it does once does not count.
const CHUNK: usize = 16;
/// Multiply-adds in the time in which a transform loads or stores a number.
const MOVE: usize = 28;

/// Tiles of m × m outputs over images, or over the phases of images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// What multiplies them.
    kernel: kernel::SumKernel,
    m: usize,
    dilation: usize,
    images: usize,
    down: usize,
    across: usize,
}

impl Tiles {
    /// Tiles of 2 × 2 or 4 × 4, whichever is the cheaper for outputs `[N, P, Q]`; and about how many
    /// multiply-adds y, dx or dw then cost.
    pub(super) fn of(outputs: [usize; 3], dilation: usize, c: usize, k: usize) -> (Self, usize) {
        let images = outputs[0] * dilation * dilation;
        let [p, q] = [outputs[1], outputs[2]].map(|length| length.div_ceil(dilation));
        let tiles = [2, 4].map(|m| {
            let (down, across) = (p.div_ceil(m), q.div_ceil(m));
            let tiles =
                Self { kernel: kernel::SumKernel::Subgroup, m, dilation, images, down, across };
            let (count, points) = (tiles.count(), tiles.side() * tiles.side());
            let moved = points * count * (c + k) + (points + 9) * c * k;
            (tiles, points * count.next_multiple_of(16) * c * k + MOVE * moved)
        });
        tiles.into_iter().min_by_key(|t| t.1).expect("two sizes")
    }
    /// Where output (0, 0) of a convolution begins to read, in pixels of its phase.
    pub(super) fn first(&self, conv: &Conv2d) -> [isize; 2] {
        conv.padding.map(|padding| -((padding / self.dilation) as isize))
    }
    /// The same, multiplied by a kernel.
    pub(super) fn by(self, kernel: kernel::SumKernel) -> Self {
        Self { kernel, ..self }
    }
    /// The tiles in workgroup memory that multiply them; there are as many products as points, enough for any tile.
    pub(super) fn shared(&self, pass: kernel::Pass, c: usize, k: usize) -> kernel::SumKernel {
        let sums = match pass {
            kernel::Pass::Forward => [self.count(), k],
            kernel::Pass::GradInput => [self.count(), c],
            kernel::Pass::GradWeight => [c, k],
        };
        kernel::SumKernel::Shared { tile: kernel::Tile::cheapest(sums), split: false }
    }
    /// The same for matrices of weights: each a tile of its own.
    fn flat(&self, images: usize) -> Self {
        Self { dilation: 1, images, down: 1, across: 1, ..*self }
    }
    /// All of them.
    fn count(&self) -> usize {
        self.images * self.down * self.across
    }
    /// Points along an axis: elements of a tile of x.
    fn side(&self) -> usize {
        self.m + 2
    }
    /// The largest buffer that they need, in bytes.
    pub(super) fn bytes(&self, c: usize, k: usize) -> u64 {
        let points = self.side() * self.side();
        let longest = (self.count() * c.max(k)).max(c * k);
        4 * (points * longest.next_multiple_of(4)) as u64
    }
    /// The points but the last, which is infinity. Of the sets with short binary fractions, ±3/4 and ±3/2
    /// round the least: half as much as ±1 and ±2.
    fn points(&self) -> &'static [f64] {
        if self.m == 2 { &[0.0, 1.0, -1.0] } else { &[0.0, 0.75, -0.75, 1.5, -1.5] }
    }
    /// G: polynomials of `taps` coefficients at the points, each over ∏ (point − other point).
    fn evaluation(&self, taps: usize) -> Array {
        let points = self.points();
        let mut rows: Vec<Vec<f64>> = (0..points.len())
            .map(|i| {
                let scale: f64 = others(points, i).map(|other| points[i] - other).product();
                (0..taps).map(|power| points[i].powi(power as i32) / scale).collect()
            })
            .collect();
        rows.push((0..taps).map(|power| f64::from(power + 1 == taps)).collect());
        Array::new(&[self.side(), taps], rows.concat())
    }
    /// Aᵀ: from values at the points to `outputs` sums.
    fn interpolation(&self, outputs: usize) -> Array {
        let rows = (0..outputs).flat_map(|power| {
            let finite = self.points().iter().map(move |point| point.powi(power as i32));
            finite.chain([f64::from(power + 1 == outputs)])
        });
        Array::new(&[outputs, self.side()], rows.collect())
    }
    /// Bᵀ: coefficients of ∏ (x − other point), and of ∏ (x − point) for infinity.
    fn expansion(&self) -> Array {
        let points = self.points();
        let side = self.side();
        let mut rows: Vec<Vec<f64>> =
            (0..points.len()).map(|i| polynomial(others(points, i), side)).collect();
        rows.push(polynomial(points.iter().copied(), side));
        Array::new(&[side, side], rows.concat())
    }
}

fn others(points: &[f64], i: usize) -> impl Iterator<Item = f64> {
    points.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, point)| *point)
}

/// The coefficients of ∏ (x − root), the constant first.
fn polynomial(roots: impl Iterator<Item = f64>, length: usize) -> Vec<f64> {
    let mut coefficients = vec![0.0; length];
    coefficients[0] = 1.0;
    for root in roots {
        for i in (0..length).rev() {
            let lower = if i > 0 { coefficients[i - 1] } else { 0.0 };
            coefficients[i] = lower - root * coefficients[i];
        }
    }
    coefficients
}

/// How a convolution reads its input.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Where output (0, 0) begins.
    pub first: [isize; 2],
    /// It is the input gradient of another: taps in reverse, inputs and outputs of w exchanged.
    pub flipped: bool,
}

/// y = x ∗ w + bias.
pub(super) fn convolve(
    rec: &Recording,
    tiles: &Tiles,
    Reading { first, flipped }: Reading,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    y: &Tensor,
) -> Result<()> {
    let points = tiles.side() * tiles.side();
    let values = spread(rec, tiles, x, first)?;
    // The input gradient exchanges inputs and outputs of w: in the kernel, or before it.
    let exchanged = (flipped && !tiles.kernel.transposes())
        .then(|| correlate::transpose(rec, w))
        .transpose()?;
    let transposed = flipped && tiles.kernel.transposes();
    let w = exchanged.as_ref().unwrap_or(w);
    let [_, _, w_c, w_k] = w.axes();
    let weights = Tensor::new(rec, &[points, 1, w_c, w_k]);
    let flat = tiles.flat(w_c);
    let matrix = tiles.evaluation(3);
    let (from, to) = (TilePlace::planes(w, 3), TilePlace::planes(&weights, tiles.side()));
    transform(rec, &flat, &matrix, (w, from), None, (&weights, to), flipped)?;
    let flops = 2 * 9 * y.rows() * w_c * w_k;
    let sums = correlate::multiply(rec, tiles.kernel, &values, &weights, transposed, flops)?;
    let matrix = tiles.interpolation(tiles.m);
    let (from, to) =
        (TilePlace::planes(&sums, tiles.side()), TilePlace::image(y, tiles, tiles.m, [0; 2]));
    transform(rec, tiles, &matrix, (&sums, from), bias, (y, to), false)
}

/// dw of a convolution whose output (0, 0) starts reading x at `first`.
pub(super) fn grad_weight(
    rec: &Recording,
    tiles: &Tiles,
    first: [isize; 2],
    x: &Tensor,
    w: &Tensor,
    dy: &Tensor,
) -> Result<Tensor> {
    let points = tiles.side() * tiles.side();
    let values = spread(rec, tiles, x, first)?;
    let gradients = Tensor::new(rec, &[points, 1, tiles.count(), dy.channels()]);
    let (from, to) =
        (TilePlace::image(dy, tiles, tiles.m, [0; 2]), TilePlace::planes(&gradients, tiles.side()));
    let matrix = tiles.evaluation(tiles.m);
    transform(rec, tiles, &matrix, (dy, from), None, (&gradients, to), false)?;
    let flops = 2 * 9 * dy.rows() * x.channels() * dy.channels();
    let sums = weight::multiply(rec, tiles.kernel, &values, &gradients, flops)?;
    let dw = Tensor::new(rec, &w.shape);
    let flat = tiles.flat(w.shape[2]);
    let (from, to) = (TilePlace::planes(&sums, tiles.side()), TilePlace::planes(&dw, 3));
    transform(rec, &flat, &tiles.interpolation(3), (&sums, from), None, (&dw, to), false)?;
    Ok(dw)
}

/// The tiles of x at the points, a plane for each.
fn spread(rec: &Recording, tiles: &Tiles, x: &Tensor, first: [isize; 2]) -> Result<Tensor> {
    let points = tiles.side() * tiles.side();
    let values = Tensor::new(rec, &[points, 1, tiles.count(), x.channels()]);
    let (from, to) =
        (TilePlace::image(x, tiles, tiles.m, first), TilePlace::planes(&values, tiles.side()));
    transform(rec, tiles, &tiles.expansion(), (x, from), None, (&values, to), false)?;
    Ok(values)
}

/// Where the elements of tiles lie, in quads.
#[derive(Default)]
struct TilePlace {
    tile: usize,
    image: usize,
    row: usize,
    column: usize,
    step: usize,
    first: [isize; 2],
    size: [usize; 2],
    dilation: usize,
}

impl TilePlace {
    /// Windows of images, `step` pixels apart.
    fn image(image: &Tensor, tiles: &Tiles, step: usize, first: [isize; 2]) -> Self {
        let ([_, h, w, _], quads) = (image.axes(), image.quads());
        Self {
            tile: 0,
            image: h * w * quads,
            row: w * quads,
            column: quads,
            step,
            first,
            size: [h, w],
            dilation: tiles.dilation,
        }
    }
    /// One element in each of side × side planes.
    fn planes(planes: &Tensor, side: usize) -> Self {
        let quads = planes.quads();
        let plane = planes.rows() / (side * side) * quads;
        let (row, size) = (side * plane, [side; 2]);
        Self { tile: quads, row, column: plane, size, dilation: 1, ..Self::default() }
    }
}

fn transform(
    rec: &Recording,
    tiles: &Tiles,
    matrix: &Array,
    (x, from): (&Tensor, TilePlace),
    bias: Option<&Tensor>,
    (y, to): (&Tensor, TilePlace),
    flipped: bool,
) -> Result<()> {
    let (quads, count) = (y.quads(), tiles.count());
    let p = Params {
        tiles: count as u32,
        tiles_h: tiles.down as u32,
        tiles_w: tiles.across as u32,
        quads: quads as u32,
        chunk: CHUNK as u32,
        x_tile: from.tile as u32,
        x_image: from.image as u32,
        x_row: from.row as u32,
        x_column: from.column as u32,
        x_step: from.step as u32,
        x_first_h: from.first[0] as i32,
        x_first_w: from.first[1] as i32,
        x_h: from.size[0] as u32,
        x_w: from.size[1] as u32,
        y_tile: to.tile as u32,
        y_image: to.image as u32,
        y_row: to.row as u32,
        y_column: to.column as u32,
        y_step: to.step as u32,
        y_h: to.size[0] as u32,
        y_w: to.size[1] as u32,
        x_dilation: from.dilation as u32,
        y_dilation: to.dilation as u32,
    };
    let [outputs, inputs] = matrix.shape[..] else { unreachable!("a matrix has two axes") };
    let constants = [
        ("IN", inputs as u32),
        ("OUT", outputs as u32),
        ("HAS_BIAS", u32::from(bias.is_some())),
        ("FLIPPED", u32::from(flipped)),
    ];
    let by_column = tiles.kernel == kernel::SumKernel::Subgroup;
    let cost = Cost {
        // The product counts as the whole convolution.
        flops: 0,
        trips: if by_column { CHUNK.min(quads) as u64 } else { 0 },
        shape: format!("{:?} → {:?}, {count} tiles", x.shape, y.shape),
    };
    let rows: Vec<f32> = matrix.data.iter().map(|v| *v as f32).collect();
    let matrix = rec.gpu.alloc(4 * rows.len() as u64)?;
    rec.gpu.write(&matrix, bytemuck::cast_slice(&rows));
    let slices = [&matrix, &x.data, &bias.unwrap_or(x).data, &y.data];
    let (kernel, grid) = match by_column {
        true => (&BY_COLUMN, fold(count * quads.div_ceil(CHUNK))),
        false => (&BY_CHANNEL, Gpu::grid(4 * count * quads)),
    };
    rec.launch(kernel, &constants, p, &slices, grid, cost)
}
