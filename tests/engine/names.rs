//! Names that no kernel may have, because a language or a compiler behind one of the backends has them: naga escapes the words
//! that it knows of, and these it does not.

use crate::shaders::{SHADERS, Shader, parsed};
use naga::{Function, Module, TypeInner};
use std::collections::BTreeSet;

/// Namespaces, types, functions and macros of DXC, FXC, Metal's standard library and GLSL that are not in naga's lists.
const RESERVED: &str = "
    dx vk hlsl
    nullptr constexpr decltype noexcept static_assert thread_local alignas alignof char16_t char32_t not and or xor bitand
    bitor compl and_eq or_eq xor_eq not_eq
    reordercoherent ResourceDescriptorHeap SamplerDescriptorHeap HitObject SubpassInput SubpassInputMS Barrier DebugBreak
    isnormal GetGroupWaveIndex GetGroupWaveCount GetRemainingRecursionLevels BuiltInTriangleIntersectionAttributes
    StateObjectConfig GlobalRootSignature LocalRootSignature TriangleHitGroup UAV_MEMORY GROUP_SHARED DEVICE_SCOPE
    GROUP_SCOPE GROUP_SYNC ALL_MEMORY
    sampler1D sampler2D sampler3D samplerCUBE hullshader HullShader geometryshader vertexshader pixelshader domainshader
    computeshader compileshader unroll loop branch flatten fastopt call
    ulong simd access sampler texture array visible mesh object intersection patch typeof char8_t concept requires consteval
    constinit co_await co_return co_yield override final import module intptr_t uintptr_t M_PI_BF MAXBFLOAT NULL offsetof
    va_list METAL_FUNC event_t queue_t pipe ndrange_t sampler_t double2 double4 float8
    noise target
";

/// Beginnings of such names.
const PREFIXES: [&str; 9] = [
    "RAY_FLAG_",
    "COMMITTED_",
    "CANDIDATE_",
    "HIT_KIND_",
    "simd_",
    "vector_",
    "matrix_",
    "os_",
    "__",
];

/// Words of FXC, which takes them in any letters.
const ANY_CASE: [&str; 8] =
    ["asm", "decl", "pass", "technique", "texture1d", "texture2d", "texture3d", "texturecube"];

fn of_function(function: &Function, names: &mut BTreeSet<String>) {
    names.extend(function.name.clone());
    names.extend(function.arguments.iter().filter_map(|a| a.name.clone()));
    names.extend(function.local_variables.iter().filter_map(|(_, v)| v.name.clone()));
    names.extend(function.named_expressions.values().cloned());
}

/// Every name that a kernel gives.
fn names(module: &Module) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, ty) in module.types.iter() {
        names.extend(ty.name.clone());
        if let TypeInner::Struct { members, .. } = &ty.inner {
            names.extend(members.iter().filter_map(|m| m.name.clone()));
        }
    }
    names.extend(module.constants.iter().filter_map(|(_, c)| c.name.clone()));
    names.extend(module.overrides.iter().filter_map(|(_, o)| o.name.clone()));
    names.extend(module.global_variables.iter().filter_map(|(_, v)| v.name.clone()));
    module.functions.iter().for_each(|(_, f)| of_function(f, &mut names));
    module.entry_points.iter().for_each(|e| of_function(&e.function, &mut names));
    names
}

/// Those that a compiler has.
fn claimed(module: &Module) -> Vec<String> {
    let reserved: BTreeSet<&str> = RESERVED.split_whitespace().collect();
    let is = |name: &String| {
        reserved.contains(name.as_str())
            || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || ANY_CASE.contains(&name.to_lowercase().as_str())
    };
    names(module).into_iter().filter(is).collect()
}

#[test]
fn no_name_is_one_that_a_backend_claims() {
    let found = |shader: &Shader| {
        let (module, _) = parsed(shader).expect("a valid shader");
        claimed(&module).into_iter().map(|name| (shader.name, name)).collect::<Vec<_>>()
    };
    let all: BTreeSet<_> = SHADERS.iter().flat_map(found).collect();
    assert!(all.is_empty(), "rename {all:?}");
}

#[test]
fn a_claimed_name_is_found_wherever_it_stands() {
    for (wgsl, name) in [
        ("var<private> dx: f32;", "dx"),
        ("struct simd { a: f32 }", "simd"),
        ("struct S { ulong: f32 }", "ulong"),
        ("fn f(a: f32) { let Technique = a * 2.0; }", "Technique"),
        ("fn simd_max(v: f32) -> f32 { return v; }", "simd_max"),
        ("fn f(noise: f32) {}", "noise"),
        ("const MAXBFLOAT: f32 = 0.0;", "MAXBFLOAT"),
    ] {
        let module = naga::front::wgsl::parse_str(wgsl).unwrap();
        assert_eq!(claimed(&module), [name], "{wgsl}");
    }
}
