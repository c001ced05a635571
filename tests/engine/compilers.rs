//! Every kernel under the compilers of other vendors, as wgpu hands it to them: Microsoft's FXC and DXC, clang in the place of
//! Apple's, Tint, and the validator of SPIR-V. `tools/compilers/setup.sh` fetches them; one that is not there is skipped by
//! name.

use crate::{
    backends::{as_hlsl, as_msl, as_spirv},
    shaders::{SHADERS, Shader, is_of_matrices, needs_matrices, overridden},
};
use naga::{Module, back::hlsl, valid::ModuleInfo};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Whether the driver's checks of bounds and loops are in the text.
const CHECKED: [bool; 2] = [false, true];

/// Texts for one compiler: the name of a file, its bytes, and what its line in the list says behind the name.
type Texts = BTreeMap<String, (Vec<u8>, String)>;

/// What `of` makes of each kernel, each text once; a kernel of which it makes nothing is none for that compiler.
fn texts(
    mut of: impl FnMut(&Shader, &Module, &ModuleInfo, &mut dyn FnMut(&str, Vec<u8>, String)),
) -> Texts {
    let mut texts = Texts::new();
    for shader in SHADERS.iter() {
        let (module, info) = overridden(shader).expect("a valid shader");
        of(shader, &module, &info, &mut |kind, bytes, more| {
            let name = shader.name.replace('/', "_");
            let hash = hash(&bytes, &more);
            texts.insert(format!("{name}-{hash:016x}{kind}"), (bytes, more));
        });
    }
    texts
}

fn hash(bytes: &[u8], more: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (bytes, more).hash(&mut hasher);
    hasher.finish()
}

/// HLSL of every kernel that adapters of a shader model are offered.
fn hlsl_texts(models: &[(hlsl::ShaderModel, &str)]) -> Texts {
    texts(|shader, module, info, put| {
        for (model, profile) in models {
            // Subgroups and integers of 64 bits come with shader model 6, matrices not at all.
            let beyond = ["u64", "subgroup"].iter().any(|word| shader.wgsl.contains(word));
            if needs_matrices(shader) || (*model == hlsl::ShaderModel::V5_1 && beyond) {
                continue;
            }
            for checked in CHECKED {
                let made = as_hlsl(module, info, *model, checked);
                let (text, entry) = made.unwrap_or_else(|e| panic!("{}: {e}", shader.label));
                put(".hlsl", text.into_bytes(), format!("\t{entry}\t{profile}"));
            }
        }
    })
}

/// The folder of the compilers, and the script that runs them.
fn places() -> (PathBuf, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("MTPRET_COMPILERS").map(PathBuf::from);
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    (folder.unwrap_or(target.join("compilers")), root.join("tools/compilers/compile.sh"))
}

/// Whether a warning is FXC's of a function that returns in several places, for whose value it has a variable of the function's
/// name; kernels' variables are given a value where they are declared.
fn is_of_a_function(warning: &str) -> bool {
    let name = warning.rsplit_once('(').map(|(_, name)| name.trim_end_matches(')'));
    let is =
        |shader: &Shader| name.is_some_and(|name| shader.wgsl.contains(&format!("fn {name}(")));
    SHADERS.iter().any(is)
}

/// Compiles all texts with a compiler; says how many there were, or that it is not there.
fn compile(compiler: &str, texts: &Texts) {
    let (folder, script) = places();
    let here = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for (name, (bytes, more)) in texts {
        fs::write(here.path().join(name), bytes).unwrap();
        writeln!(list, "{name}{more}").unwrap();
    }
    fs::write(here.path().join("list"), list).unwrap();
    let mut command = Command::new("sh");
    let folder = std::path::absolute(folder).unwrap();
    command.arg(fs::canonicalize(script).unwrap()).arg(folder).args([compiler, "list"]);
    let output = command.current_dir(here.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(3) {
        // Where everything is to be tested, whoever fetched the compilers must have said that this one cannot be had.
        let fetched = fs::read_to_string(places().0.join("versions")).unwrap_or_default();
        let known = fetched.contains(&format!("SKIPPED {compiler}"));
        assert!(known || std::env::var_os("MTPRET_ALL").is_none_or(|v| v != "1"), "{said}");
        println!("{compiler}: SKIPPED, {}", said.trim());
        return;
    }
    let ok = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(ok, texts.len(), "{compiler} takes {ok} of {}\n{said}", texts.len());
    assert!(output.status.success(), "{said}");
    let uninitialised: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("warning ") && !is_of_a_function(line))
        .collect();
    assert!(uninitialised.is_empty(), "{compiler}\n{}", uninitialised.join("\n"));
    println!("{compiler}: {ok} of {} texts", texts.len());
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn microsofts_old_compiler_takes_every_kernel() {
    compile("fxc", &hlsl_texts(&[(hlsl::ShaderModel::V5_1, "cs_5_1")]));
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn microsofts_new_compilers_take_every_kernel() {
    let models = [(hlsl::ShaderModel::V6_0, "cs_6_0"), (hlsl::ShaderModel::V6_6, "cs_6_6")];
    let texts = hlsl_texts(&models);
    compile("dxc-1.8", &texts);
    compile("dxc-1.9", &texts);
    compile("dxc-1.10", &texts);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn metals_language_has_every_kernel() {
    let texts = texts(|shader, module, info, put| {
        // Metal's matrices are 8 × 8.
        if shader.wgsl.contains("coop_mat16x16") {
            return;
        }
        for (version, checked) in [((2, 4), false), ((2, 4), true), ((3, 2), false), ((3, 2), true)]
        {
            let text = as_msl(module, info, version, checked);
            let text = text.unwrap_or_else(|e| panic!("{}: {e}", shader.label));
            put(".metal", text.into_bytes(), String::new());
        }
    });
    compile("metal", &texts);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn browsers_compiler_takes_every_kernel() {
    // Parameters beyond what browsers have of immediates are a uniform buffer there; integers of 64 bits and matrices they
    // do not have.
    let texts = texts(|shader, _, _, put| {
        if shader.wgsl.contains("u64") || is_of_matrices(shader) {
            return;
        }
        let wgsl = match shader.immediates > 64 {
            true => shader.wgsl.replace("var<immediate> p", "@group(1) @binding(0) var<uniform> p"),
            false => shader.wgsl.clone(),
        };
        let mut overrides: Vec<_> =
            shader.overrides.iter().map(|(k, v)| format!("\t{k}={v}")).collect();
        overrides.sort();
        put(".wgsl", wgsl.into_bytes(), overrides.concat());
    });
    compile("tint", &texts);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn spirvs_validator_takes_every_kernel() {
    // As wgpu writes it for Vulkan 1.1, 1.2 and 1.3; Debian's validator does not know matrices yet.
    let versions = [((1, 3), "vulkan1.1"), ((1, 5), "vulkan1.2"), ((1, 6), "vulkan1.3")];
    let texts = texts(|shader, module, info, put| {
        if needs_matrices(shader) {
            return;
        }
        for (version, environment) in versions {
            let made = as_spirv(module, info, version);
            let bytes = made.unwrap_or_else(|e| panic!("{}: {e}", shader.label));
            put(".spv", bytes, format!("\t{environment}"));
        }
    });
    compile("spirv", &texts);
}

/// A name that DXC has taken, a component at a run-time index, another address space, a divergent subgroup operation, no SPIR-V:
/// what each compiler is there to find.
#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn planted_faults_are_found() {
    let (folder, script) = places();
    let mut command = Command::new("sh");
    let output = command.arg(script.with_file_name("faults.sh")).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}
