//! The kernels that multiply and add, and the passes of a convolution.

use crate::gpu::MatrixUnits;

/// The kernel that multiplies and adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SumKernel {
    /// A thread an output quad.
    Plain,
    /// Register tiles that eight lanes share by broadcasts.
    Subgroup,
    /// Tiles by matrices that a subgroup multiplies at once.
    Coop {
        /// Of 128 rows.
        tile: Tile,
    },
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
    /// Whether it reads weights with the inputs of a sum last, `[R, S, K⌈4⌉, C]`: for the input gradient they lie so.
    pub(super) fn takes_inputs_last(self) -> bool {
        matches!(self, Self::Coop { .. })
    }
}

/// Sums that a workgroup computes in its memory: rows × columns (`shaders/shared/tiles/tile.wgsl`).
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
    /// The tile that matrices fill with so many sums in the least time. In the one of 128 × 64 a product of matrices takes 1.1 times
    /// as long for y and dx and 1.25 times for dw, as a compiler for AMD's GPUs writes the loop (`tests/engine/radv`). Sums that
    /// are `cut` into parts make workgroups enough whatever the tile.
    pub(super) fn for_matrices(sums: [usize; 2], cut: bool) -> Self {
        let least = if cut { 1 } else { ENOUGH };
        let time = |(tile, cost): &(Self, usize)| {
            tile.count(sums).max(least) * tile.rows() * tile.quads() * cost
        };
        let all = [(Self::Wide, 100), (Self::Tall, 118)];
        all.into_iter().min_by_key(time).map_or(Self::Tall, |(tile, _)| tile)
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

/// A tile as matrices fill it (`shaders/shared/tiles/coop_tile.wgsl`).
pub(super) struct MatrixTile {
    /// What makes a kernel one of this tile.
    pub constants: [(&'static str, u32); 6],
    /// Terms of a stage.
    pub terms: usize,
    /// How often the teams of a workgroup go over all terms, if a subgroup is as wide as any of the adapter's.
    pub rounds: usize,
}

impl MatrixTile {
    /// A tile by matrices of this side. Blocks of it are as large as their sums fit into registers: a team has 16 matrices of
    /// 16 × 16 at most, 32 of 8 × 8.
    fn new(tile: Tile, side: u32, lanes: u32, half: bool) -> Self {
        let wide = tile == Tile::Wide;
        let block = match side {
            16 => [64, if wide { 64 } else { 32 }],
            _ => [if wide { 64 } else { 32 }, 32],
        };
        let [rows, columns] = [tile.rows() as u32, 4 * tile.quads() as u32];
        let blocks = rows / block[0] * (columns / block[1]);
        // Every adapter has workgroups of 256, and subgroups of at least 8 and at most 64 lanes multiply matrices.
        let lanes = lanes.clamp(8, 64);
        let threads = (blocks * lanes).min(256);
        let constants = [
            ("SIDE", side),
            ("ROWS", rows),
            ("COLUMNS", columns),
            ("BLOCK_ROWS", block[0]),
            ("BLOCK_COLUMNS", block[1]),
            ("THREADS", threads),
        ];
        let rounds = blocks.div_ceil(threads / lanes) as usize;
        Self { constants, terms: if half { 16 } else { 8 }, rounds }
    }
    /// A tile by an adapter's matrices, of f16 or f32; `None` where it has none such.
    pub(super) fn of(tile: Tile, units: &MatrixUnits, half: bool) -> Option<Self> {
        units.side(half).map(|side| Self::new(tile, side, units.lanes, half))
    }
    /// Quads that are loaded at once, where all rows have a multiple of so many: 128 bits, or of f16 half of that.
    pub(super) fn load(half: bool, quads: &[usize]) -> usize {
        if half && quads.iter().all(|quads| quads.is_multiple_of(2)) { 2 } else { 1 }
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
        MatrixTile,
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
    #[test]
    fn matrices_fill_tiles_whatever_the_subgroups_are() {
        for (side, half) in [(16, true), (8, true), (8, false)] {
            for (tile, lanes) in
                [Tall, Wide].into_iter().flat_map(|t| [8, 16, 32, 64].map(|l| (t, l)))
            {
                let made = MatrixTile::new(tile, side, lanes, half);
                let [side, rows, columns, down, across, threads] = made.constants.map(|c| c.1);
                let (blocks, teams) = (rows / down * (columns / across), threads / lanes);
                assert!(
                    threads <= 256 && made.rounds as u32 * teams >= blocks,
                    "{side} {tile:?} {lanes}"
                );
                // Two buffers of 96 bytes a row, a matrix of sums for each block, and where rows begin.
                let bytes = 96 * (rows + columns) + 4 * side * side * blocks + 4 * rows;
                assert!(bytes <= 32 << 10, "{side} {tile:?}: {bytes} bytes of workgroup memory");
            }
        }
        let layers = [
            ([64 * 56 * 56, 64], Tall),
            ([64 * 28 * 28, 128], Wide),
            ([64 * 14 * 14, 256], Tall),
            ([64 * 7 * 7, 512], Tall),
            ([64 * 7 * 7, 2048], Wide),
        ];
        for (sums, wanted) in layers {
            assert_eq!(Tile::for_matrices(sums, false), wanted, "{sums:?}");
        }
    }
}
