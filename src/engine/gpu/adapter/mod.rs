//! Finding an adapter and saying what it can do.

mod matrices;

pub use matrices::{Matrices, MatrixUnits};

use crate::{Error, Result};
use std::{path::PathBuf, sync::OnceLock};

/// The place of a fault of the adapter, its driver or its memory.
pub const ADAPTER: &str = "adapter";
const ANOTHER: &str = "update its driver or name another adapter";

/// How an adapter is opened, and what its kernels may use.
#[derive(Clone, Debug, Default)]
pub struct DeviceOptions {
    /// A number of [`adapters`](super::adapters)' list or a part of a name; `None`: the most powerful one.
    pub adapter: Option<String>,
    /// Keep the driver's bounds and loop checks in the kernels (slower; same results).
    pub checked: bool,
    /// Give every intermediate tensor memory of its own, filled with NaN, so that an element that
    /// no thread wrote is seen. For tests and `doctor`.
    pub poison: bool,
    /// Where compiled pipelines and what was measured are kept between runs; `None`: nowhere.
    pub cache: Option<PathBuf>,
    /// Which kernels may multiply matrices that a subgroup holds together.
    pub matrices: Matrices,
    /// Round to f16 by integers, as on DX12, whose own conversion may cut: for tests elsewhere.
    pub halves_by_bits: bool,
    /// The most bytes of one binding, in place of the adapter's limit: what is recorded for an adapter that binds more cannot be run.
    /// For tests.
    pub most_bound: Option<u64>,
    /// Rewrites each kernel before the driver compiles it, as a compiler may, or refuses it: for tests.
    pub rewrite: Option<Rewrite>,
    /// Rewritten kernels count the trips of their loops into a `u32` of the device's, binding 0 of group 1: each launch runs alone,
    /// and its count is kept for [`Gpu::trip_counts`](super::Gpu::trip_counts). For tests.
    pub count_trips: bool,
    /// Is told what a person waits for, how many are done, and of how many: `compiling`, 41, 120.
    pub progress: Option<Progress>,
    /// Is told, in a line, what a person should know: a damaged cache that is dropped, a kernel that the driver refuses.
    /// Without it such lines are kept for [`Gpu::notes`](super::Gpu::notes).
    pub note: Option<fn(&str)>,
}

/// Makes of a kernel of this name another one that a compiler may make of it, or leaves it as it is; an error is the
/// compiler's refusal.
pub type Rewrite = fn(name: &str, wgsl: &str) -> Result<Option<naga::Module>, String>;

/// Shows what takes a while before a step first runs.
pub type Progress = fn(what: &str, done: usize, of: usize);

/// What kernels are chosen by.
#[derive(Clone, Debug)]
pub struct Caps {
    /// Smallest subgroup the driver forms, if it has subgroup operations.
    pub subgroup: Option<u32>,
    /// The driver runs on the CPU: loads are dear, barriers dearer.
    pub software: bool,
    /// Kernels load four numbers as two of 64 bits (`shaders/shared/memory/quads64.wgsl`): such a driver
    /// loads number by number, and has 64-bit integers.
    pub quads64: bool,
    /// Kernels round to f16 by integers (`shaders/shared/memory/halves_by_bits.wgsl`).
    pub halves_by_bits: bool,
    /// Matrices that a subgroup multiplies at once, of those that were asked for.
    pub matrices: MatrixUnits,
    /// Bytes of the device's own memory, where the driver says so; of a driver on the CPU, those of the machine.
    pub memory: Option<u64>,
    /// What the device was opened with.
    pub limits: wgpu::Limits,
}

impl Caps {
    /// The shared WGSL file that stands here for what a kernel imports.
    pub fn import<'a>(&self, name: &'a str) -> &'a str {
        match name {
            "halves" if self.halves_by_bits => "halves_by_bits",
            "quads" if self.quads64 => "quads64",
            "f16_matrices" => self.matrices.import(true),
            "f32_matrices" => self.matrices.import(false),
            name => name,
        }
    }
}

/// All adapters of all backends: the most powerful kind first, of one kind that with most memory, in whole GiB; a stable order.
pub fn adapters() -> Vec<wgpu::Adapter> {
    let all = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let mut all = listed(all, hlsl_compiler().clone());
    all.sort_by_cached_key(|a| {
        let kind = match a.get_info().device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        };
        (kind, std::cmp::Reverse(memory(a).unwrap_or(0) >> 30))
    });
    all
}

/// The adapters of these backends, with what compiles kernels for DX12.
fn listed(backends: wgpu::Backends, shader_compiler: wgpu::Dx12Compiler) -> Vec<wgpu::Adapter> {
    let descriptor = wgpu::InstanceDescriptor {
        backends,
        // Tests need no validation layer: wgpu's own validation stays on.
        flags: wgpu::InstanceFlags::empty(),
        backend_options: wgpu::BackendOptions {
            dx12: wgpu::Dx12BackendOptions {
                shader_compiler,
                ..wgpu::Dx12BackendOptions::from_env_or_default()
            },
            ..wgpu::BackendOptions::from_env_or_default()
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle_from_env()
    };
    let instance = wgpu::Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
}

/// What compiles kernels for DX12: as `WGPU_DX12_COMPILER` says, else the `dxcompiler.dll` that lies beside the program, else
/// Windows' own FXC, which knows no subgroups.
fn hlsl_compiler() -> &'static wgpu::Dx12Compiler {
    static CHOSEN: OnceLock<wgpu::Dx12Compiler> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        // This program is built without a static DXC, and wgpu panics over it.
        let asked = wgpu::Dx12Compiler::from_env();
        let asked = asked.filter(|asked| !matches!(asked, wgpu::Dx12Compiler::StaticDxc));
        // A DXC of another processor cannot be loaded, and hides adapters whose driver does not know its shader model.
        let count = |compiler| listed(wgpu::Backends::DX12, compiler).len();
        let serves = |dxc: &wgpu::Dx12Compiler| {
            let found = count(dxc.clone());
            found > 0 && found == count(wgpu::Dx12Compiler::Fxc)
        };
        asked.or_else(|| dxc_beside().filter(serves)).unwrap_or(wgpu::Dx12Compiler::Fxc)
    })
}

/// The DXC that lies beside the program.
fn dxc_beside() -> Option<wgpu::Dx12Compiler> {
    let library = std::env::current_exe().ok()?.with_file_name("dxcompiler.dll");
    let dxc_path = library.to_str()?.to_owned();
    library.exists().then_some(wgpu::Dx12Compiler::DynamicDxc { dxc_path })
}

/// The name of what compiles kernels for this backend before its driver does; none where the driver alone does.
pub fn compiler(backend: wgpu::Backend) -> Option<&'static str> {
    (backend == wgpu::Backend::Dx12).then(|| match hlsl_compiler() {
        wgpu::Dx12Compiler::Fxc
            if wgpu::Dx12Compiler::from_env().is_none() && dxc_beside().is_some() =>
        {
            "FXC; the dxcompiler.dll beside the program is not for this processor or for every adapter"
        }
        wgpu::Dx12Compiler::Fxc => "FXC",
        wgpu::Dx12Compiler::DynamicDxc { .. } | wgpu::Dx12Compiler::StaticDxc => "DXC",
        wgpu::Dx12Compiler::Auto => "DXC or FXC",
    })
}

/// How to come by a driver on this operating system.
const DRIVER: &str = if cfg!(windows) {
    "install your GPU maker's driver; without a GPU, Windows 10 and later have the DX12 adapter WARP"
} else if cfg!(target_vendor = "apple") {
    "macOS brings Metal for every GPU that it supports: another user's session or a virtual machine may have none"
} else {
    "install a driver, or Mesa's software Vulkan with tools/setup.sh"
};

/// The adapter that `options` names.
///
/// # Errors
/// None answers, or none has that number or name.
pub fn find(options: &DeviceOptions) -> Result<wgpu::Adapter> {
    let mut all = adapters();
    if all.is_empty() {
        let expected = "a Vulkan, Metal or DX12 adapter";
        return Err(Error::adapter(ADAPTER, expected, "that none answers", DRIVER));
    }
    let Some(wanted) = &options.adapter else { return Ok(all.swap_remove(0)) };
    let names: Vec<_> = all.iter().map(|a| a.get_info().name).collect();
    let at = match wanted.parse::<usize>() {
        Ok(number) => (number < all.len()).then_some(number),
        Err(_) => {
            let wanted = wanted.to_lowercase();
            names.iter().position(|n| n.to_lowercase().contains(&wanted))
        }
    };
    let at = at.ok_or_else(|| {
        let list: Vec<_> = names.iter().enumerate().map(|(i, n)| format!("{i} {n}")).collect();
        let expected = format!("one of {}", list.join(", "));
        Error::adapter(ADAPTER, expected, format!("`{wanted}`"), "pass its number")
    })?;
    Ok(all.swap_remove(at))
}

/// Opens a device with the adapter's own limits.
///
/// # Errors
/// The adapter lacks immediates, or the driver refuses.
pub fn open(
    adapter: &wgpu::Adapter,
    options: &DeviceOptions,
) -> Result<(wgpu::Device, wgpu::Queue, Caps)> {
    let info = adapter.get_info();
    let offered = adapter.features();
    if !offered.contains(wgpu::Features::IMMEDIATES) {
        let expected = "immediate data (push constants), which every kernel needs";
        let found = format!("that {} offers none", info.name);
        return Err(Error::adapter(ADAPTER, expected, found, ANOTHER));
    }
    let mut limits = adapter.limits();
    // 128 bytes of immediates is what every backend has; more would tempt kernels away from it.
    limits.max_immediate_size = limits.max_immediate_size.min(128);
    let matrices = MatrixUnits::taken(adapter, options.matrices);
    let optional = matrices.features()
        | wgpu::Features::SUBGROUP
        | wgpu::Features::SHADER_INT64
        | wgpu::Features::PIPELINE_CACHE
        | wgpu::Features::TIMESTAMP_QUERY;
    let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
    if matrices.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        // SAFETY: kernels use the feature through `shaders/shared/matrices/cooperative.wgsl` alone, on workgroup memory within
        // its bounds. wgpu's part of it may be faulty: `autotune::matrices` finds out before a run takes such a kernel.
        experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
    }
    let wanted = wgpu::Features::IMMEDIATES | (offered & optional);
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("mtpret"),
        required_features: wanted,
        experimental_features,
        required_limits: limits.clone(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    }))
    .map_err(|e| {
        let expected = format!("a device of {}", info.name);
        Error::adapter(ADAPTER, expected, format!("that its driver refuses: {e}"), ANOTHER)
    })?;
    // Metal does not tell; Apple's own processors have subgroups of 32 lanes.
    let of_apple = info.backend == wgpu::Backend::Metal && info.name.starts_with("Apple");
    let least = if of_apple { 32 } else { info.subgroup_min_size };
    let subgroup = wanted.contains(wgpu::Features::SUBGROUP).then_some(least);
    let software = info.device_type == wgpu::DeviceType::Cpu;
    let quads64 = software && wanted.contains(wgpu::Features::SHADER_INT64);
    let memory = memory(adapter);
    if let Some(most) = options.most_bound {
        limits.max_storage_buffer_binding_size = most;
    }
    let halves_by_bits = options.halves_by_bits || info.backend == wgpu::Backend::Dx12;
    let caps = Caps { subgroup, software, quads64, halves_by_bits, matrices, memory, limits };
    Ok((device, queue, caps))
}

/// Bytes of an adapter's own memory that this process may take: what the driver budgets, where it says so, else the largest
/// heap. wgpu does not tell; Vulkan and DXGI do.
#[cfg(not(target_vendor = "apple"))]
fn memory(adapter: &wgpu::Adapter) -> Option<u64> {
    #[cfg(windows)]
    if let Some(memory) = dxgi_memory(adapter) {
        return Some(memory);
    }
    /// `VkPhysicalDeviceMemoryBudgetPropertiesEXT`: bytes of each heap that this process may take, and those that it has.
    #[repr(C)]
    struct Budget {
        kind: i32,
        next: *mut std::ffi::c_void,
        budget: [u64; 16],
        taken: [u64; 16],
    }
    let mut of =
        Budget { kind: 1_000_237_000, next: std::ptr::null_mut(), budget: [0; 16], taken: [0; 16] };
    let mut all = Default::default();
    // SAFETY: nothing is made or destroyed: the driver is asked for a table, while the guard holds the adapter. Of a budget it
    // is asked only if it has the extension whose structure `Budget` is; that outlives the call.
    unsafe {
        let adapter = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        let instance = adapter.shared_instance().raw_instance();
        let device = adapter.raw_physical_device();
        instance.get_physical_device_memory_properties2(device, &mut all);
        if adapter.physical_device_capabilities().supports_extension(c"VK_EXT_memory_budget") {
            all.p_next = (&raw mut of).cast();
            instance.get_physical_device_memory_properties2(device, &mut all);
        }
    }
    let heaps =
        &all.memory_properties.memory_heaps[..all.memory_properties.memory_heap_count as usize];
    // The lowest flag of a heap says that it is the device's own.
    let own = heaps.iter().zip(of.budget).filter(|(heap, _)| heap.flags.as_raw() & 1 == 1);
    own.map(|(heap, budget)| if budget == 0 { heap.size } else { budget.min(heap.size) }).max()
}

/// Bytes of a DX12 adapter's own memory that this process may take; of one that is not a card of its own, with those of the
/// machine that it may take.
#[cfg(windows)]
fn dxgi_memory(adapter: &wgpu::Adapter) -> Option<u64> {
    // SAFETY: nothing is made or destroyed: the system is asked for a description and a budget, while the guard holds the adapter.
    let (about, budget) = unsafe {
        let adapter = adapter.as_hal::<wgpu::hal::api::Dx12>()?;
        let mut memory = Default::default();
        // The default segment is the adapter's own.
        let asked = adapter.raw_adapter().QueryVideoMemoryInfo(0, Default::default(), &mut memory);
        (adapter.raw_adapter().GetDesc().ok()?, asked.map_or(0, |()| memory.Budget))
    };
    let (own, shared) = (about.DedicatedVideoMemory as u64, about.SharedSystemMemory as u64);
    // A part of the machine's memory is called an integrated adapter's own, often a small one.
    let discrete = adapter.get_info().device_type == wgpu::DeviceType::DiscreteGpu;
    let all = if discrete { own } else { own + shared };
    Some(if budget == 0 { all } else { budget.min(all) })
}

/// Metal shares the machine's memory, and wgpu does not tell how much of it.
#[cfg(target_vendor = "apple")]
fn memory(_: &wgpu::Adapter) -> Option<u64> {
    None
}

/// A cache of compiled pipelines that starts with what an earlier run left, `kept`; empty where the driver refuses that.
pub fn pipeline_cache(device: &wgpu::Device, kept: Option<&[u8]>) -> Option<wgpu::PipelineCache> {
    if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
        return None;
    }
    let made = |data: Option<&[u8]>| {
        let descriptor = wgpu::PipelineCacheDescriptor { label: None, data, fallback: true };
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        // SAFETY: the bytes are what this function's cache gave to an earlier run: `sealed::open` has found the digest
        // right that was put before them. wgpu checks its header, which names adapter and driver.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        pollster::block_on(scope.pop()).is_none().then_some(cache)
    };
    // wgpu starts empty where another driver wrote them, but calls it an error where another adapter did.
    kept.and_then(|kept| made(Some(kept))).or_else(|| made(None))
}
