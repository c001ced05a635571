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
    /// Tiles of 64 × 64 · size² in workgroup memory.
    Shared {
        /// 1 or 2.
        size: u32,
    },
}

impl SumKernel {
    /// Whether it reads weights in either order, so that nobody needs to transpose them.
    pub(super) fn transposes(self) -> bool {
        self == Self::Subgroup
    }
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
