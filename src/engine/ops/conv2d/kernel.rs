//! The kernels that multiply and add, and the passes of a convolution.

/// The kernel that multiplies and adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SumKernel {
    /// A thread an output quad.
    Plain,
    /// Register tiles that eight lanes share by broadcasts.
    Subgroup,
    /// Tiles of 64 × 64, by matrices that a subgroup holds together.
    Coop,
    /// Tiles in workgroup memory.
    Shared {
        tile: Tile,
        /// Long sums are cut into parts where there are few tiles. A weight gradient's always are.
        split: bool,
    },
}

impl SumKernel {
    /// Whether it reads weights in either order, so that nobody needs to transpose them.
    pub(super) fn transposes(self) -> bool {
        self == Self::Subgroup
    }
}

/// Sums that a workgroup computes in its memory: rows × columns (`shaders/shared/tile.wgsl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tile {
    /// 64 × 64
    Small,
    /// 128 × 64
    Tall,
    /// 128 × 128
    Wide,
}

/// Workgroups that keep a GPU busy. How many compute units it has wgpu does not say: the largest have 96 to 132, and with two
/// workgroups each one computes while the other waits.
const ENOUGH: usize = 256;
/// The least terms of a part.
const LEAST: usize = 256;
/// What a part's sum costs that goes to memory and back, in multiply-adds: 8 bytes, at 16 for a byte. GPUs have 7 to 40, and
/// parts mostly stay in a cache.
const KEPT: usize = 128;

impl Tile {
    const ALL: [Self; 3] = [Self::Wide, Self::Tall, Self::Small];

    pub(super) fn rows(self) -> usize {
        if self == Self::Small { 64 } else { 128 }
    }
    /// Its columns, in quads.
    pub(super) fn quads(self) -> usize {
        if self == Self::Wide { 32 } else { 16 }
    }
    /// What makes a kernel one of this tile.
    pub(super) fn constants(self) -> [(&'static str, u32); 2] {
        [("ROWS", self.rows() as u32), ("QUADS", self.quads() as u32)]
    }
    /// Tiles of so many rows and columns of sums.
    pub(super) fn count(self, [rows, columns]: [usize; 2]) -> usize {
        rows.div_ceil(self.rows()) * columns.div_ceil(4 * self.quads())
    }
    /// What a term of all its sums costs: instructions for 100 multiply-adds, as a compiler for AMD's GPUs writes the loop
    /// (`tests/engine/radv`).
    fn cost(self) -> usize {
        let instructions = match self {
            Self::Small => 149,
            Self::Tall => 130,
            Self::Wide => 127,
        };
        self.rows() * 4 * self.quads() * instructions
    }
    /// The cheapest for so many sums, if there are workgroups enough.
    pub(super) fn cheapest(sums: [usize; 2]) -> Self {
        let cost = |tile: &Self| tile.count(sums) * tile.cost();
        Self::ALL.into_iter().min_by_key(cost).unwrap_or(Self::Small)
    }
    /// The tile, and whether its sums are cut into parts, with which so many sums of so many terms take the least time, where
    /// a compute unit without a workgroup costs as much as one with.
    pub(super) fn by_rule(sums: [usize; 2], terms: usize) -> (Self, bool) {
        let time = |(tile, split): &(Self, bool)| {
            let count = tile.count(sums);
            let (parts, kept) = if *split { (parts(count, terms), KEPT) } else { (1, 0) };
            (count * parts).max(ENOUGH) * tile.cost() * (terms.div_ceil(parts) + kept)
        };
        let whole = Self::ALL.map(|tile| (tile, false));
        let all = whole.into_iter().chain([(Self::Wide, true)]);
        all.min_by_key(time).unwrap_or((Self::Small, false))
    }
}

/// Into how many parts sums of so many terms are cut, of which there are so many tiles: as many as make enough workgroups.
pub(super) fn parts(tiles: usize, terms: usize) -> usize {
    ENOUGH.div_ceil(tiles.max(1)).min(terms / LEAST).max(1)
}

/// y, dx or dw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Forward,
    GradInput,
    GradWeight,
}

impl Pass {
    pub(super) fn name(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::GradInput => "input gradient",
            Pass::GradWeight => "weight gradient",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Tile::{self, Small, Tall, Wide},
        parts,
    };

    #[test]
    fn tiles_follow_from_the_shape() {
        // ResNet-50, 64 images of 224²: 3 × 3 of its four layers, then 1 × 1 of the last.
        let layers = [
            ([64 * 56 * 56, 64], 9 * 64, (Tall, false)),
            ([64 * 28 * 28, 128], 9 * 128, (Wide, false)),
            ([64 * 14 * 14, 256], 9 * 256, (Tall, false)),
            ([64 * 7 * 7, 512], 9 * 512, (Wide, true)),
            ([64 * 7 * 7, 2048], 512, (Wide, false)),
            // Eight images of 64²: few sums, long and short.
            ([8 * 2 * 2, 512], 9 * 512, (Wide, true)),
            ([8 * 16 * 16, 64], 9 * 64, (Small, false)),
            ([8, 10], 512, (Small, false)),
        ];
        for (sums, terms, wanted) in layers {
            assert_eq!(Tile::by_rule(sums, terms), wanted, "{sums:?}, {terms} terms");
        }
        assert_eq!(parts(Wide.count([3136, 512]), 4608), 3);
        assert_eq!(
            (parts(1, 255), parts(1, 512), parts(1000, 4608), parts(1, 1 << 20)),
            (1, 2, 1, 256)
        );
        assert_eq!([[576, 64], [64, 64], [4608, 512]].map(Tile::cheapest), [Tall, Small, Wide]);
    }
}
