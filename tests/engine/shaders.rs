//! Every shader with every set of constants that the ops' cases give it: valid WGSL, within the
//! limits that every adapter has, translatable for every backend, and laid out as Rust lays it out.

use crate::backends::{as_hlsl, as_msl, as_spirv};
use mtpret_engine::{
    gpu::{Command, DeviceOptions, Gpu, Kernel, Launch, Matrices, Params, Recording},
    ops::{SUITES, meter::Meter},
    params,
    tensor::{Philox, Step},
};
use naga::{
    AddressSpace, Expression, Function, Handle, Module, ShaderStage, Statement, TypeInner,
    back::{PipelineConstants, hlsl, pipeline_constants::process_overrides},
    proc::Layouter,
    valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::LazyLock,
};

/// Random shapes of each op beside its cases, for the constants that they bring.
const RANDOM: usize = 20;

/// A shader as a pipeline would be made of it.
pub struct Shader {
    /// Its name and constants.
    pub label: String,
    pub name: &'static str,
    pub wgsl: String,
    pub overrides: PipelineConstants,
    fields: &'static [(&'static str, usize)],
    pub immediates: usize,
}

params! { struct Chains { trips: u32, scale: f32, offset: f32 } }
params! { struct Quads { quads: u32 } }

/// Every shader with every set of constants, once.
pub static SHADERS: LazyLock<Vec<Shader>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    // Matrices of f16 as subgroups of 64 lanes have them, and of 32.
    for (side, lanes) in [(16, 64), (8, 32)] {
        recorded(&mut all, Matrices::ByHand { side, lanes });
    }
    for chains in [1, 2, 3, 4, 8, 16] {
        let shader = own::<Chains>(
            Kernel::new("ceiling/fma", include_str!("../../shaders/ceiling/fma.wgsl")),
            &[("CHAINS", chains)],
        );
        all.insert(shader.label.clone(), shader);
    }
    let shader = own::<Quads>(
        Kernel::new("ceiling/copy", include_str!("../../shaders/ceiling/copy.wgsl")),
        &[],
    );
    all.insert(shader.label.clone(), shader);
    all.into_values().collect()
});

/// Adds every shader that the ops' cases launch on an adapter of these matrices.
fn recorded(all: &mut BTreeMap<String, Shader>, matrices: Matrices) {
    let options = DeviceOptions { matrices, ..DeviceOptions::default() };
    let gpu = Gpu::open(options).expect("an adapter");
    for suite in SUITES {
        let mut random = Philox::new(1, 0);
        let mut cases = (suite.cases)();
        cases.extend((0..RANDOM).map(|_| (suite.random)(&mut random)));
        for (case, variant) in
            cases.iter().flat_map(|c| suite.signature.variants.iter().map(move |v| (c, *v)))
        {
            let mut rec = Recording::new(&gpu);
            rec.variant = Some(variant);
            case.record(&rec).expect("a case is recorded");
            for command in rec.commands() {
                if let Command::Launch(launch) = command {
                    for shader in shaders(&launch) {
                        all.insert(shader.label.clone(), shader);
                    }
                }
            }
        }
    }
}

/// The shader of a launch, with quads loaded whole and as two numbers of 64 bits, rounded to f16 by the adapter and by bits, and
/// with matrices multiplied by the adapter and by hand.
fn shaders(launch: &Launch) -> impl Iterator<Item = Shader> {
    let file = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shaders/shared").join(name);
        fs::read_to_string(path).expect("a shared file")
    };
    let (whole, halves) = (file("memory/quads.wgsl"), file("memory/quads64.wgsl"));
    let side = launch.constants.iter().find(|(name, _)| *name == "SIDE").map_or(16, |c| c.1);
    let f16 = file(&format!("matrices/f16x{side}.wgsl")) + &file("matrices/numbers.wgsl");
    let wgsl = launch.source.wgsl.clone();
    let listed = wgsl
        .replace(&file("matrices/f16_by_hand.wgsl"), &f16)
        .replace(&file("matrices/f32_by_hand.wgsl"), &file("matrices/f32x8.wgsl"))
        .replace(&file("matrices/by_hand.wgsl"), &file("matrices/cooperative.wgsl"));
    let by_hand = listed != wgsl;
    let mut all = vec![(listed, String::new())];
    if by_hand {
        all.push((wgsl, "by hand ".into()));
    }
    let (rounded, by_bits) = (file("memory/halves.wgsl"), file("memory/halves_by_bits.wgsl"));
    if all.iter().any(|(wgsl, _)| wgsl.contains(&rounded)) {
        let by_bits = |(wgsl, files): &(String, String)| {
            (wgsl.replace(&rounded, &by_bits), format!("{files}by bits "))
        };
        all.extend(all.iter().map(by_bits).collect::<Vec<_>>());
    }
    let both = all.into_iter().flat_map(move |(wgsl, matrices)| {
        let both = [(wgsl.replace(&halves, &whole), ""), (wgsl.replace(&whole, &halves), "64")];
        both.map(|(wgsl, quads)| (wgsl, format!("{matrices}{quads}")))
    });
    both.map(|(wgsl, files)| Shader {
        label: format!("{} {:?} {files}", launch.source.name, launch.constants),
        name: launch.source.name,
        wgsl,
        overrides: launch.source.overrides.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
        fields: launch.fields,
        immediates: launch.params.len(),
    })
}

/// A shader that no op launches.
fn own<P: Params>(
    kernel: mtpret_engine::gpu::Kernel<P>,
    constants: &[(&'static str, u32)],
) -> Shader {
    let source = kernel.specialise(constants, |name| name).expect("a shader that naga reads");
    Shader {
        label: format!("{} {constants:?}", source.name),
        name: source.name,
        overrides: source.overrides.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
        wgsl: source.wgsl,
        fields: P::FIELDS,
        immediates: size_of::<P>(),
    }
}

/// What the validator says of a module: subgroup operations, immediates, 64-bit integers and two f16 in a word, which Vulkan,
/// Metal and DX12 all have, are what a shader may need beyond plain WGSL; and matrices, if it is made for those.
fn validate(shader: &Shader, module: &Module) -> Result<ModuleInfo, String> {
    let needs = Capabilities::SUBGROUP
        | Capabilities::IMMEDIATES
        | Capabilities::SHADER_INT64
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | match needs_matrices(shader) {
            true => Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16,
            false => Capabilities::empty(),
        };
    Validator::new(ValidationFlags::all(), needs)
        .validate(module)
        .map_err(|e| e.emit_to_string(&shader.wgsl))
}

/// Whether it is a tile of matrices, which are only had with workgroup memory for it.
pub fn is_of_matrices(shader: &Shader) -> bool {
    shader.wgsl.contains("const BLOCK_ROWS")
}

/// Whether it multiplies matrices that a subgroup holds together, which DX12 has no words for.
pub fn needs_matrices(shader: &Shader) -> bool {
    shader.wgsl.contains("enable wgpu_cooperative_matrix")
}

/// The module as it is written.
pub fn parsed(shader: &Shader) -> Result<(Module, ModuleInfo), String> {
    let module =
        naga::front::wgsl::parse_str(&shader.wgsl).map_err(|e| e.emit_to_string(&shader.wgsl))?;
    let info = validate(shader, &module)?;
    Ok((module, info))
}

/// The module with its overrides applied.
pub fn overridden(shader: &Shader) -> Result<(Module, ModuleInfo), String> {
    let (module, info) = parsed(shader)?;
    let main = Some((ShaderStage::Compute, "main"));
    let (module, _) =
        process_overrides(&module, &info, main, &shader.overrides).map_err(|e| e.to_string())?;
    let module = module.into_owned();
    let info = validate(shader, &module)?;
    Ok((module, info))
}

/// Names the shaders for which `fault` finds something.
fn all_are(fault: impl Fn(&Shader, &Module, &ModuleInfo) -> Option<String>) {
    let mut faults = Vec::new();
    for shader in SHADERS.iter() {
        let found = match overridden(shader) {
            Ok((module, info)) => fault(shader, &module, &info),
            Err(e) => Some(e),
        };
        faults.extend(found.map(|f| format!("{}: {f}", shader.label)));
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_shader_file_is_recorded_by_a_case() {
    let gpu = Gpu::open(DeviceOptions::default()).expect("an adapter");
    let subgroups = gpu.caps().subgroup.is_some_and(|lanes| lanes >= 8);
    let seen: BTreeSet<&str> = SHADERS.iter().map(|s| s.name).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shaders");
    let mut missing = Vec::new();
    for folder in
        fs::read_dir(&root).expect("shaders").flatten().filter(|f| f.file_name() != "shared")
    {
        let mut open = vec![folder.path()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(&path).expect("a folder").flatten().map(|f| f.path()));
                continue;
            }
            // What others import has no entry point.
            if !fs::read_to_string(&path).expect("a shader").contains("fn main(") {
                continue;
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let below = path.strip_prefix(&root).expect("it lies below").with_extension("");
            let name = below.to_string_lossy().replace('\\', "/");
            // An adapter of small subgroups never launches these.
            if !seen.contains(name.as_str()) && (subgroups || !stem.contains("subgroup")) {
                missing.push(name);
            }
        }
    }
    assert!(missing.is_empty(), "no case launches {missing:?}");
}

#[test]
fn shaders_need_nothing_but_subgroups_and_immediates() {
    all_are(|_, module, _| {
        let mains: Vec<_> =
            module.entry_points.iter().map(|e| (e.name.as_str(), e.stage)).collect();
        (mains != [("main", ShaderStage::Compute)]).then(|| format!("entry points {mains:?}"))
    });
}

#[test]
fn shaders_come_out_as_spirv() {
    all_are(|_, module, info| as_spirv(module, info, (1, 3)).err());
}

#[test]
fn shaders_come_out_as_msl() {
    all_are(|_, module, info| as_msl(module, info, (2, 4), false).err());
}

#[test]
fn shaders_come_out_as_hlsl() {
    all_are(|shader, module, info| match needs_matrices(shader) {
        true => None,
        false => as_hlsl(module, info, hlsl::ShaderModel::V6_0, false).err(),
    });
}

/// Components of a function's vectors that are written at an index known only at run time, which FXC refuses.
fn written_at_run_time(module: &Module, function: &Function, info: &FunctionInfo) -> usize {
    let is_component = |pointer: &Handle<Expression>| {
        let Expression::Access { base, .. } = function.expressions[*pointer] else { return false };
        let (is_vector, space) = match info[base].ty.inner_with(&module.types) {
            TypeInner::ValuePointer { size, space, .. } => (size.is_some(), *space),
            TypeInner::Pointer { base, space } => {
                (matches!(module.types[*base].inner, TypeInner::Vector { .. }), *space)
            }
            _ => return false,
        };
        is_vector && matches!(space, AddressSpace::Function | AddressSpace::Private)
    };
    let (mut blocks, mut found) = (vec![&function.body], 0);
    while let Some(block) = blocks.pop() {
        for statement in block.iter() {
            match statement {
                Statement::Store { pointer, .. } => found += usize::from(is_component(pointer)),
                Statement::Block(inner) => blocks.push(inner),
                Statement::If { accept, reject, .. } => blocks.extend([accept, reject]),
                Statement::Loop { body, continuing, .. } => blocks.extend([body, continuing]),
                Statement::Switch { cases, .. } => blocks.extend(cases.iter().map(|c| &c.body)),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn no_component_is_written_at_a_run_time_index() {
    let count = |module: &Module, info: &ModuleInfo| {
        let of = |(handle, function)| written_at_run_time(module, function, &info[handle]);
        let entries = module.entry_points.iter().enumerate();
        let of_entry = |(at, entry): (usize, &naga::EntryPoint)| {
            written_at_run_time(module, &entry.function, info.get_entry_point(at))
        };
        module.functions.iter().map(of).sum::<usize>() + entries.map(of_entry).sum::<usize>()
    };
    let planted = "fn f(i: u32) -> vec4f { var v = vec4f(); var a: array<vec4f, 2>; \
                   v[2] = 1.0; a[i] = v; a[i][1] = 2.0; if i > 1u { v[i] = 3.0; a[0][i] = 4.0; } return v + a[1]; }";
    let module = naga::front::wgsl::parse_str(planted).expect("WGSL");
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).expect("a valid module");
    assert_eq!(count(&module, &info), 2);
    all_are(|_, module, info| match count(module, info) {
        0 => None,
        found => Some(format!("{found} components, see shaders/shared/component.wgsl")),
    });
}

/// Names and offsets of a WGSL struct's members.
fn members(module: &Module, name: &str) -> Option<Vec<(String, usize)>> {
    let of = |ty: &naga::Type| match &ty.inner {
        TypeInner::Struct { members, .. } if ty.name.as_deref() == Some(name) => {
            let member =
                |m: &naga::StructMember| (m.name.clone().unwrap_or_default(), m.offset as usize);
            Some(members.iter().map(member).collect())
        }
        _ => None,
    };
    module.types.iter().find_map(|(_, ty)| of(ty))
}

fn same(found: &[(String, usize)], wanted: &[(&str, usize)]) -> bool {
    found.iter().map(|(n, o)| (n.as_str(), *o)).eq(wanted.iter().copied())
}

#[test]
fn params_are_laid_out_alike_in_rust_and_wgsl() {
    all_are(|shader, module, _| {
        let found = members(module, "Params").unwrap_or_default();
        (!same(&found, shader.fields))
            .then(|| format!("WGSL has {found:?}, Rust has {:?}", shader.fields))
    });
}

#[test]
fn records_are_laid_out_alike_in_rust_and_wgsl() {
    let mut seen = BTreeSet::new();
    for (record, fields) in [("Step", Step::FIELDS), ("Meter", Meter::FIELDS)] {
        for shader in SHADERS.iter() {
            let (module, _) = parsed(shader).expect("a valid shader");
            if let Some(found) = members(&module, record) {
                seen.insert(record);
                let label = &shader.label;
                assert!(same(&found, fields), "{label}: {record} is {found:?}, not {fields:?}");
            }
        }
    }
    assert_eq!(seen.len(), 2, "only {seen:?} is declared by a shader");
}

#[test]
fn shaders_stay_within_the_limits_that_every_adapter_has() {
    all_are(|shader, module, _| {
        let mut layouts = Layouter::default();
        layouts.update(module.to_ctx()).expect("a valid module has layouts");
        let (mut bindings, mut workgroup, mut immediates) = (0, 0, 0);
        for (_, variable) in module.global_variables.iter() {
            let bytes = layouts[variable.ty].size;
            match variable.space {
                AddressSpace::Storage { .. } => bindings += 1,
                AddressSpace::WorkGroup => workgroup += bytes,
                AddressSpace::Immediate => immediates += bytes,
                _ => {}
            }
        }
        let threads: u32 = module.entry_points[0].workgroup_size.iter().product();
        let room = if is_of_matrices(shader) { 32 << 10 } else { 16 << 10 };
        let within = bindings <= 8 && workgroup <= room && threads <= 256 && immediates <= 128;
        let agree = immediates as usize == shader.immediates;
        (!within || !agree).then(|| {
            format!(
                "{bindings} storage buffers, {workgroup} bytes of workgroup memory, {threads} \
                 invocations, {immediates} bytes of immediates ({} in Rust)",
                shader.immediates
            )
        })
    });
}

#[test]
fn every_declared_variable_is_used() {
    all_are(|shader, _, _| {
        // Overriding drops what is not used.
        let (module, info) = parsed(shader).expect("a valid shader");
        let main = info.get_entry_point(0);
        let unused: Vec<_> = module
            .global_variables
            .iter()
            .filter(|(handle, _)| main[*handle].is_empty())
            .filter_map(|(_, v)| v.name.as_deref())
            .collect();
        (!unused.is_empty()).then(|| format!("{unused:?} are never used"))
    });
}
