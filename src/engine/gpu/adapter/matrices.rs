//! Matrices that the lanes of a subgroup multiply at once: which an adapter lists, and how kernels come by them.

use wgpu::CooperativeScalarType::{self, F16, F32};

/// Bytes of workgroup memory that the kernels' tiles need (`shaders/shared/tiles/coop_tile.wgsl`); every adapter that is
/// known to list matrices has as many.
const WORKGROUP_MEMORY: u32 = 32 << 10;

/// Which kernels may multiply matrices that a subgroup holds together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matrices {
    /// None.
    #[default]
    Unused,
    /// Where the adapter [lists](MatrixUnits::listed) such matrices.
    Listed,
    /// On any adapter, each lane with its own numbers (`shaders/shared/matrices/by_hand.wgsl`): for tests.
    ByHand {
        /// Rows and columns of those of f16, 8 or 16.
        side: u32,
        /// Lanes that the widest subgroup is held for. Here a team is 32 of them, as an adapter may have others than the widest.
        lanes: u32,
    },
}

/// Square matrices of factors that the lanes of a subgroup multiply at once, adding the products in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatrixUnits {
    /// Rows and columns of those of f16.
    pub f16: Option<u32>,
    /// Rows and columns of those of f32.
    pub f32: Option<u32>,
    /// Lanes of the widest subgroup.
    pub lanes: u32,
    by_hand: bool,
}

impl MatrixUnits {
    /// What an adapter lists of shapes that kernels have: 16 × 16 or 8 × 8 of f16, and 8 × 8 of f32. wgpu calls them
    /// experimental.
    pub fn listed(adapter: &wgpu::Adapter) -> Self {
        let needs = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SUBGROUP;
        let (info, features) = (adapter.get_info(), adapter.features());
        let room = adapter.limits().max_compute_workgroup_storage_size >= WORKGROUP_MEMORY;
        if !features.contains(needs) || !room {
            return Self::default();
        }
        let all = adapter.cooperative_matrix_properties();
        let lists = |side: &u32, factors: CooperativeScalarType| {
            all.iter().any(|m| {
                [m.m_size, m.n_size, m.k_size] == [*side; 3]
                    && [m.ab_type, m.cr_type] == [factors, F32]
            })
        };
        let f16 = [16, 8].into_iter().find(|side| lists(side, F16));
        // Metal says that subgroups may have from 4 to 64 lanes; those of GPUs that multiply matrices have 32.
        let metal = info.backend == wgpu::Backend::Metal;
        Self {
            f16: f16.filter(|_| features.contains(wgpu::Features::SHADER_F16)),
            f32: [8].into_iter().find(|side| lists(side, F32)),
            lanes: if metal { 32 } else { info.subgroup_max_size },
            by_hand: false,
        }
    }
    /// What kernels take of an adapter's.
    pub(super) fn taken(adapter: &wgpu::Adapter, asked: Matrices) -> Self {
        match asked {
            Matrices::Unused => Self::default(),
            Matrices::Listed => Self::listed(adapter),
            Matrices::ByHand { side, lanes } => {
                Self { f16: Some(side), f32: Some(8), lanes, by_hand: true }
            }
        }
    }
    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.f16.is_some() || self.f32.is_some()
    }
    /// The features of a device that kernels need for them.
    pub(super) fn features(&self) -> wgpu::Features {
        let mut needs = wgpu::Features::empty();
        if self.any() && !self.by_hand {
            needs |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
            needs.set(wgpu::Features::SHADER_F16, self.f16.is_some());
        }
        needs
    }
    /// Rows and columns of those whose factors are f16, or f32.
    pub fn side(&self, half: bool) -> Option<u32> {
        if half { self.f16 } else { self.f32 }
    }
    /// The shared WGSL files that say how they are multiplied.
    pub(super) fn import(&self, half: bool) -> &'static str {
        match (half, self.by_hand) {
            (true, true) => "f16_by_hand",
            (false, true) => "f32_by_hand",
            (false, false) => "f32x8",
            (true, false) if self.f16 == Some(8) => "f16x8",
            (true, false) => "f16x16",
        }
    }
}

/// As a person would say it: `16 × 16 of f16`.
impl std::fmt::Display for MatrixUnits {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let all = [(self.f16, "f16"), (self.f32, "f32")].into_iter();
        let all: Vec<_> = all
            .filter_map(|(side, of)| side.map(|side| format!("{side} × {side} of {of}")))
            .collect();
        f.pad(&if all.is_empty() { "none".to_owned() } else { all.join(", ") })
    }
}
