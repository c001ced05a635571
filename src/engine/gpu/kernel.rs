//! A WGSL file, and what it takes to compile it.
//!
//! A shader stays a file that a person, an editor and naga can read as it stands. Three things may
//! change on its way to a pipeline: `#import name` lines become `shaders/shared/name.wgsl`, `const`
//! lines take another number, and `override`s are set.

use crate::{Error, Result};
use std::marker::PhantomData;

/// One compute entry point `main`, embedded at build time: the engine's own are `shaders/<name>.wgsl`.
pub struct Kernel<P> {
    /// Its name, of the engine's own the path below `shaders/`; also the label of its pipelines and launches.
    pub name: &'static str,
    /// The text of the file.
    pub source: &'static str,
    /// The launch parameters that it declares as `struct Params`.
    pub params: PhantomData<P>,
}

/// A `struct Params` that a kernel and its launcher share; it travels as immediate data.
pub trait Params: bytemuck::Pod {
    /// Every field's name and byte offset, for the test that compares it with the WGSL struct.
    const FIELDS: &'static [(&'static str, usize)];
}

impl<P> Kernel<P> {
    /// The kernel of this text: WGSL with one entry point `main`, which may `#import` what lies in `shaders/shared`.
    pub const fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source, params: PhantomData }
    }
}

/// The kernel at `shaders/<path>.wgsl`; a wrong path does not compile.
macro_rules! kernel {
    ($path:literal) => {
        $crate::gpu::Kernel::new(
            $path,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shaders/", $path, ".wgsl")),
        )
    };
}
pub(crate) use kernel;

/// Declares a kernel's `struct Params`: plain data of 4-byte fields, at most 128 bytes.
#[macro_export]
macro_rules! params {
    ($(#[$m:meta])* $v:vis struct $name:ident { $($f:ident: $t:ty),+ $(,)? }) => {
        $(#[$m])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        $v struct $name { $($f: $t),+ }
        impl $crate::gpu::Params for $name {
            const FIELDS: &'static [(&'static str, usize)] =
                &[$((stringify!($f), std::mem::offset_of!($name, $f))),+];
        }
    };
}

macro_rules! imports {
    ($($name:literal => $($path:literal)+),+ $(,)?) => {
        &[$(($name, concat!($(include_str!(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../shaders/", $path, ".wgsl")
        )),+))),+]
    };
}
/// What `#import` can name: a file of `shaders/shared`, or one beside the file, by its folder; `matrices` is several, by what a
/// kernel's numbers are and what the adapter multiplies.
const IMPORTS: &[(&str, &str)] = imports![
    "batch_norm/moments" => "batch_norm/moments",
    "conv2d/sum_params" => "conv2d/sum_params",
    "conv2d/weight_params" => "conv2d/weight_params",
    "conv2d/winograd/params" => "conv2d/winograd/params",
    "bitonic" => "shared/order/bitonic",
    "boxes" => "shared/boxes",
    "component" => "shared/component",
    "coop_tile" => "shared/tiles/coop_tile",
    "f16_by_hand" => "shared/matrices/f16_by_hand" "shared/matrices/by_hand",
    "f16x16" => "shared/matrices/f16x16" "shared/matrices/numbers" "shared/matrices/cooperative",
    "f16x8" => "shared/matrices/f16x8" "shared/matrices/numbers" "shared/matrices/cooperative",
    "f32_by_hand" => "shared/matrices/f32_by_hand" "shared/matrices/numbers" "shared/matrices/by_hand",
    "f32x8" => "shared/matrices/f32x8" "shared/matrices/numbers" "shared/matrices/cooperative",
    "finite" => "shared/scalars/finite",
    "grid" => "shared/grid",
    "halves" => "shared/memory/halves",
    "halves_by_bits" => "shared/memory/halves_by_bits",
    "log1p" => "shared/scalars/log1p",
    "philox" => "shared/philox",
    "quads" => "shared/memory/quads",
    "quads64" => "shared/memory/quads64",
    "ranking" => "shared/order/ranking",
    "rectified" => "shared/scalars/rectified",
    "reduce" => "shared/reduce",
    "rotation" => "shared/rotation",
    "samples" => "shared/samples",
    "sigmoid" => "shared/scalars/sigmoid",
    "step" => "shared/step",
    "sum_places" => "shared/tiles/sum_places",
    "teams" => "shared/teams",
    "tile" => "shared/tiles/tile",
    "values" => "shared/memory/values",
    "weight_places" => "shared/tiles/weight_places",
];

/// The constant that makes a kernel's `Values` f16: it chooses an import.
pub const HALF: &str = "HALF";

/// A kernel's numbers known when its pipeline is made: names of `const` or `override` lines.
pub type Constants = Vec<(&'static str, u32)>;

/// How a launch uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    Write,
}

/// A kernel with its imports and constants filled in, and what naga says of it.
#[derive(Debug)]
pub struct Source {
    /// The kernel's name.
    pub name: &'static str,
    /// WGSL as the driver gets it.
    pub wgsl: String,
    /// Values for `override`s, by name.
    pub overrides: Vec<(&'static str, f64)>,
    /// Access of bindings 0, 1, … of group 0.
    pub bindings: Vec<Access>,
}

impl Source {
    /// The op that it belongs to: the folder of its file.
    pub fn op(&self) -> &'static str {
        self.name.split('/').next().unwrap_or(self.name)
    }
}

impl<P> Kernel<P> {
    /// Fills in imports and constants and asks naga for the bindings. `import` says which shared file stands for an import
    /// (see [`Caps::import`](super::Caps::import)); that of `values` is `halves` where the constant [`HALF`] is 1, and that of
    /// `matrices` is `f16_matrices` or `f32_matrices`.
    ///
    /// # Errors
    /// An unknown import or constant, or WGSL that naga refuses.
    pub fn specialise(
        &self,
        constants: &[(&'static str, u32)],
        import: impl for<'a> Fn(&'a str) -> &'a str,
    ) -> Result<Source> {
        let fault = |problem: String| Error::Shader { kernel: self.name.into(), problem };
        let mut wgsl = String::with_capacity(self.source.len() + 2048);
        let half = constants.contains(&(HALF, 1));
        let mut set: Vec<bool> = constants.iter().map(|(name, _)| *name == HALF).collect();
        for (i, line) in self.source.lines().enumerate() {
            if let Some(name) = line.strip_prefix("#import ") {
                let name = import(match name.trim() {
                    "values" if half => "halves",
                    "matrices" if half => "f16_matrices",
                    "matrices" => "f32_matrices",
                    name => name,
                });
                let known = IMPORTS.iter().find(|(known, _)| *known == name);
                let (_, text) = known.ok_or_else(|| {
                    let names: Vec<_> = IMPORTS.iter().map(|s| s.0).collect();
                    fault(format!(
                        "unknown import `{name}` in line {}; known are {}",
                        i + 1,
                        names.join(", ")
                    ))
                })?;
                wgsl += text;
            } else if let Some((at, (name, value))) = constant_of(line, constants) {
                set[at] = true;
                wgsl += &format!("const {name}: u32 = {value}u;\n");
            } else {
                wgsl += line;
                wgsl += "\n";
            }
        }
        let module =
            naga::front::wgsl::parse_str(&wgsl).map_err(|e| fault(e.emit_to_string(&wgsl)))?;
        let mut overrides = Vec::new();
        for (&(name, value), set) in constants.iter().zip(set) {
            if !set {
                let declared =
                    module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(name));
                if !declared {
                    return Err(fault(format!("no `const {name}` or `override {name}` to set")));
                }
                overrides.push((name, f64::from(value)));
            }
        }
        let mut bindings: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, g)| {
                let naga::AddressSpace::Storage { access } = g.space else { return None };
                let write = access.contains(naga::StorageAccess::STORE);
                Some((g.binding?.binding, if write { Access::Write } else { Access::Read }))
            })
            .collect();
        bindings.sort_by_key(|b| b.0);
        let bindings = bindings.into_iter().map(|b| b.1).collect();
        Ok(Source { name: self.name, wgsl, overrides, bindings })
    }
}

/// The constant that a line `const NAME: u32 = …;` declares, if it is among those to set.
fn constant_of<'a>(
    line: &str,
    constants: &'a [(&'static str, u32)],
) -> Option<(usize, &'a (&'static str, u32))> {
    let name = line.strip_prefix("const ")?.split(':').next()?.trim();
    constants.iter().enumerate().find(|(_, c)| c.0 == name)
}
