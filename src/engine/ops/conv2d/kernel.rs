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

impl Tile {
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
    /// Tiles of so many sums.
    pub(super) fn count(self, [rows, columns]: [usize; 2]) -> usize {
        rows.div_ceil(self.rows()) * columns.div_ceil(4 * self.quads())
    }
    /// What so many sums cost, those of a ragged edge counted: instructions for 100 multiply-adds, as a compiler for AMD's GPUs
    /// writes the loops (`tests/engine/radv`).
    fn cost(self, [rows, columns]: [usize; 2]) -> usize {
        let instructions = match self {
            Self::Small => 149,
            Self::Tall => 130,
            Self::Wide => 127,
        };
        rows.next_multiple_of(self.rows())
            * columns.next_multiple_of(4 * self.quads())
            * instructions
    }
    /// The cheapest for so many sums.
    pub(super) fn cheapest(sums: [usize; 2]) -> Self {
        let all = [Self::Wide, Self::Tall, Self::Small];
        all.into_iter().min_by_key(|tile| tile.cost(sums)).unwrap_or(Self::Small)
    }
    /// The cheapest that makes [`ENOUGH`] workgroups; else, for sums of so many terms, `Wide` in parts, if that makes as many and
    /// is cheaper than the smallest tile.
    pub(super) fn by_rule(sums: [usize; 2], terms: usize) -> (Self, bool) {
        let all = [Self::Wide, Self::Tall, Self::Small];
        let enough = all.into_iter().filter(|tile| tile.count(sums) >= ENOUGH);
        let split = Self::Wide.count(sums) * parts(Self::Wide.count(sums), terms) >= ENOUGH;
        match enough.min_by_key(|tile| tile.cost(sums)) {
            Some(tile) => (tile, false),
            None if split && Self::Wide.cost(sums) <= Self::Small.cost(sums) => (Self::Wide, true),
            None => (Self::Small, false),
        }
    }
}

/// The least terms of a part: its sums go to memory and back, 8 bytes for so many multiply-adds.
const LEAST: usize = 256;

/// Into how many parts sums of so many terms are cut, of which there are so many tiles: as many as make enough workgroups.
pub(super) fn parts(tiles: usize, terms: usize) -> usize {
    ENOUGH.div_ceil(tiles).min(terms / LEAST).max(1)
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
