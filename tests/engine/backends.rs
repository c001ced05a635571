//! A kernel in the languages of the backends, as wgpu asks naga for it.

use naga::{
    AddressSpace, Module, ShaderStage, StorageAccess,
    back::{hlsl, msl, spv},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::ModuleInfo,
};

/// The bindings of a kernel, whether each is written, in their order.
fn bindings(module: &Module) -> Vec<(naga::ResourceBinding, bool)> {
    let mut all: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let AddressSpace::Storage { access } = variable.space else { return None };
            Some((variable.binding?, access.contains(StorageAccess::STORE)))
        })
        .collect();
    all.sort_by_key(|(binding, _)| binding.binding);
    all
}

/// HLSL as wgpu's DX12 backend asks for it, and its entry point.
pub fn as_hlsl(
    module: &Module,
    info: &ModuleInfo,
    shader_model: hlsl::ShaderModel,
    checked: bool,
) -> Result<(String, String), String> {
    let mut binding_map = hlsl::BindingMap::default();
    let mut registers = [0, 0];
    for (binding, written) in bindings(module) {
        let register = &mut registers[usize::from(written)];
        let target = hlsl::BindTarget { register: *register, ..hlsl::BindTarget::default() };
        binding_map.insert(binding, target);
        *register += 1;
    }
    let special = hlsl::BindTarget { register: 1, space: 1, ..hlsl::BindTarget::default() };
    let options = hlsl::Options {
        shader_model,
        binding_map,
        fake_missing_bindings: false,
        special_constants_binding: Some(special),
        immediates_target: Some(hlsl::BindTarget::default()),
        zero_initialize_workgroup_memory: false,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..hlsl::Options::default()
    };
    let main = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".into())) };
    let mut text = String::new();
    let written = hlsl::Writer::new(&mut text, &options, &main)
        .write(module, info, None)
        .map_err(|e| e.to_string())?;
    let entry = written.entry_point_names[0].as_ref().map_err(|e| e.to_string())?;
    Ok((text, entry.clone()))
}

/// MSL as wgpu's Metal backend asks for it.
pub fn as_msl(
    module: &Module,
    info: &ModuleInfo,
    lang_version: (u8, u8),
    checked: bool,
) -> Result<String, String> {
    let mut resources = msl::BindingMap::default();
    let mut slot = 1;
    for (binding, mutable) in bindings(module) {
        let target = msl::BindTarget { buffer: Some(slot), mutable, ..msl::BindTarget::default() };
        resources.insert(binding, target);
        slot += 1;
    }
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let main = msl::EntryPointResources {
        resources,
        immediates_buffer: Some(0),
        sizes_buffer: Some(slot),
    };
    let options = msl::Options {
        lang_version,
        per_entry_point_map: msl::EntryPointResourceMap::from([("main".to_owned(), main)]),
        fake_missing_bindings: false,
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..msl::Options::default()
    };
    let main = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, "main".into())),
        vertex_pulling_transform: true,
        ..msl::PipelineOptions::default()
    };
    let (text, written) =
        msl::write_string(module, info, &options, &main).map_err(|e| e.to_string())?;
    written.entry_point_names[0].as_ref().map_err(|e| e.to_string())?;
    Ok(text)
}

/// SPIR-V of this version.
pub fn as_spirv(
    module: &Module,
    info: &ModuleInfo,
    lang_version: (u8, u8),
) -> Result<Vec<u8>, String> {
    let options = spv::Options { lang_version, ..spv::Options::default() };
    let main =
        spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    let words = spv::write_vec(module, info, &options, Some(&main)).map_err(|e| e.to_string())?;
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}
