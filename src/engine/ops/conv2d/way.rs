//! Which kernels compute a convolution.

use super::{
    kernel::{Pass, SumKernel, Tile},
    op::Conv2d,
    winograd::Tiles,
};
use crate::{
    Result,
    gpu::{Caps, Gpu, Problem, Recorder, Recording, Variant},
    tensor::{Array, Format, Tensor},
};

/// Ways to compute a convolution, the plain one first. `winograd` multiplies by `subgroup`, `winograd_shared` by `shared`, `tall` or
/// `wide`.
pub const VARIANTS: &[Variant] = &Variant::ALL;

/// Whether an adapter has what a variant needs.
pub fn offered(variant: Variant, caps: &Caps) -> bool {
    match variant {
        Variant::Subgroup | Variant::Winograd => caps.subgroup.is_some_and(|l| l >= 8),
        Variant::Coop | Variant::CoopWide => caps.matrices.any() && caps.subgroup.is_some(),
        Variant::Plain
        | Variant::WinogradShared
        | Variant::Shared
        | Variant::Tall
        | Variant::Wide
        | Variant::Split => true,
    }
}

/// How one pass is computed: a kernel, within Winograd's transforms or not.
pub(super) struct Way {
    pub kernel: SumKernel,
    pub tiles: Option<Tiles>,
}

impl Conv2d {
    /// How a pass is computed whose result covers `[N, P, Q]`: as is asked for or was measured, else as measured best on
    /// this kind of adapter.
    pub(super) fn way(
        &self,
        rec: &Recording,
        pass: Pass,
        x: &Tensor,
        w: &Tensor,
        covered: [usize; 3],
    ) -> Way {
        let caps = rec.gpu.caps();
        let ([n, p, q], [.., c, k]) = (covered, w.axes());
        let (tiles, cost) = Tiles::of(covered, self.dilation[0], c, k);
        let fits = tiles.bytes(c, k) <= caps.limits.max_storage_buffer_binding_size;
        // Between its transforms numbers grow beyond f16.
        let tiled = self.is_winograds(w) && fits && x.format == Format::F32;
        // A weight gradient's sums are cut whatever the tile.
        let cut = pass == Pass::GradWeight;
        let half = x.format == Format::F16;
        // A test may ask for matrices that nobody has proven yet.
        let units = caps.matrices.side(half).is_some()
            && (rec.gpu.trusts_matrices() || rec.variant.is_some_and(Variant::is_of_matrices));
        let able = |variant: &Variant| {
            offered(*variant, caps)
                && (tiled || !variant.is_winograds())
                && !(cut && *variant == Variant::Split)
                && (units || !variant.is_of_matrices())
        };
        let taps = self.taps_inside([p, q]);
        // The kernel's tiles have sixteen rows.
        let padded = (n * p * q).next_multiple_of(16) as f64 / (n * p * q) as f64;
        let direct = ((n * taps * c * k) as f64 * padded) as usize;
        let default = match caps.software {
            // Who asks for f16 asks for what multiplies it fastest; in f32 they add in another order, and wait to be asked.
            false if half && units => self.matrices_by_rule(pass, w, covered),
            false => self.tiles_by_rule(pass, w, covered),
            true if able(&Variant::Winograd) && cost < direct => Variant::Winograd,
            true if able(&Variant::Subgroup) => Variant::Subgroup,
            true => Variant::Plain,
        };
        let (conv, format) = (*self, x.format);
        let shapes = (x.shape.clone(), w.shape.clone());
        let chosen = rec.choose(Problem {
            name: self.name(pass, x, w),
            kernels: VARIANTS.iter().copied().filter(able).collect(),
            default,
            half: half && pass != Pass::GradWeight,
            prepare: Box::new(move |gpu| conv.prepare(gpu, pass, &shapes, format)),
        });
        let kernel = match chosen {
            Variant::Plain => SumKernel::Plain,
            Variant::Subgroup | Variant::Winograd => SumKernel::Subgroup,
            Variant::WinogradShared => tiles.shared(pass, c, k),
            Variant::Shared => SumKernel::Shared { tile: Tile::Small, split: false },
            Variant::Tall => SumKernel::Shared { tile: Tile::Tall, split: false },
            Variant::Wide => SumKernel::Shared { tile: Tile::Wide, split: false },
            Variant::Split => SumKernel::Shared { tile: Tile::Wide, split: true },
            Variant::Coop => SumKernel::Coop { tile: Tile::Tall },
            Variant::CoopWide => SumKernel::Coop { tile: Tile::Wide },
        };
        let tiles = chosen.is_winograds().then(|| tiles.by(kernel));
        Way { kernel, tiles }
    }
    /// Rows and columns of sums of a launch, of the phases of a strided input gradient the largest; and terms of each.
    fn sums(&self, pass: Pass, w: &Tensor, [n, p, q]: [usize; 3]) -> ([usize; 2], usize) {
        let ([r, s, c, k], [h, v]) = (w.axes(), self.stride);
        match pass {
            Pass::Forward => ([n * p * q, k], r * s * c),
            Pass::GradInput => {
                ([n * p.div_ceil(h) * q.div_ceil(v), c], r.div_ceil(h) * s.div_ceil(v) * k)
            }
            Pass::GradWeight => ([r * s * c, k], n * p * q),
        }
    }
    /// The tiles in workgroup memory that a GPU gets where nothing was measured, by how many sums a launch has, and how long.
    fn tiles_by_rule(&self, pass: Pass, w: &Tensor, covered: [usize; 3]) -> Variant {
        let (sums, terms) = self.sums(pass, w, covered);
        let (tile, split) = match pass {
            Pass::Forward | Pass::GradInput => Tile::by_rule(sums, terms),
            Pass::GradWeight => (Tile::cheapest(sums), false),
        };
        match tile {
            Tile::Small => Variant::Shared,
            Tile::Tall => Variant::Tall,
            Tile::Wide if split => Variant::Split,
            Tile::Wide => Variant::Wide,
        }
    }
    /// The tiles by matrices that a GPU gets where nothing was measured. A weight gradient's sums are cut into parts.
    fn matrices_by_rule(&self, pass: Pass, w: &Tensor, covered: [usize; 3]) -> Variant {
        let (sums, _) = self.sums(pass, w, covered);
        match Tile::for_matrices(sums, pass == Pass::GradWeight) {
            Tile::Wide => Variant::CoopWide,
            Tile::Tall | Tile::Small => Variant::Coop,
        }
    }
    /// Whether Winograd's convolution solves it: 3 × 3, stride 1; dilated, if the padding is a multiple of that, so
    /// that each phase of the image is a convolution of its own.
    fn is_winograds(&self, w: &Tensor) -> bool {
        let [d, e] = self.dilation;
        w.shape[..2] == [3; 2]
            && self.stride == [1; 2]
            && d == e
            && self.padding.iter().all(|padding| padding.is_multiple_of(d))
    }
    /// Taps that outputs `[P, Q]` of a 3 × 3 kernel take. An atrous one takes many in the padding, which direct
    /// kernels skip.
    fn taps_inside(&self, outputs: [usize; 2]) -> usize {
        let [h, w] = outputs.map(|length| match self.dilation[0] {
            1 => 3 * length,
            d => length + 2 * length.saturating_sub(d),
        });
        h * w
    }
    /// The pass on random tensors of these shapes of x and w.
    fn prepare(
        self,
        gpu: &Gpu,
        pass: Pass,
        (x, w): &(Vec<usize>, Vec<usize>),
        format: Format,
    ) -> Result<Recorder> {
        let random =
            |shape: &[usize], seed| Tensor::upload_as(gpu, format, &Array::random(shape, seed));
        let [p, q] = self.output([x[1], x[2]], [w[0], w[1]]).unwrap_or([1; 2]);
        let dy = random(&[x[0], p, q, w[3]], 3)?;
        let (x, w) = (random(x, 1)?, random(w, 2)?);
        Ok(Box::new(move |rec| {
            let made = match pass {
                Pass::Forward => self.forward(rec, &x, &w, None),
                Pass::GradInput => self.grad_input(rec, &x, &w, &dy),
                Pass::GradWeight => self.grad_weight(rec, &x, &w, &dy),
            };
            Ok(made?.data)
        }))
    }
}
