//! The tiles in workgroup memory (`shaders/shared/tiles`) and Winograd's transforms as Mesa's compiler for AMD's GPUs writes them, for every family that its
//! null device can be, and budgets for that. What a GPU then does no machine without one can say; what it is told to do is here.

mod code;
mod device;

use crate::shaders::{SHADERS, overridden};
use device::{Compiled, Device};
use naga::{
    AddressSpace, ShaderStage,
    back::spv,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Families that Mesa's null device can be, the oldest first.
const FAMILIES: &str = "tahiti pitcairn verde oland hainan bonaire kaveri kabini hawaii tonga iceland carrizo fiji stoney \
    polaris10 polaris11 polaris12 vegam vega10 vega12 vega20 raven raven2 renoir mi100 mi200 gfx940 navi10 navi12 navi14 \
    navi21 navi22 navi23 navi24 vangogh rembrandt raphael_mendocino navi31 navi32 navi33 phoenix phoenix2 gfx1150 gfx1151 \
    gfx1152 gfx1153 gfx1200 gfx1201";

/// Those of 2012, which read at most eight bytes of workgroup memory at once.
const OF_2012: [&str; 5] = ["tahiti", "pitcairn", "verde", "oland", "hainan"];

/// What the names of kernels have that multiply matrices.
const MATRICES: &str = "coop";
/// What the names of Winograd's transforms have.
const TRANSFORM: &str = "winograd";

/// Where the process that compiles for one family finds kernels, and leaves what it says of them.
const FOLDER: &str = "MTPRET_RADV_FOLDER";

/// The least share of FMA among all instructions of a stage, in per cent, and the most bytes of workgroup memory that are read
/// for an FMA.
fn budget(family: &str, constant: impl Fn(&str) -> u32) -> (f64, f64) {
    let (fma, bytes) = match (constant("rows"), constant("quads")) {
        (64, 16) => (62.0, 1.5),
        (128, 16) => (74.0, 1.0),
        (128, 32) => (75.0, 1.0),
        other => panic!("no budget for tiles of {other:?}"),
    };
    // Where quads are odd in number, as in a network's first layer alone, each thread has places of its own.
    let odd = if constant("odd") == 1 { 2.0 } else { 0.0 };
    // Two reads for each of sixteen bytes.
    let halved = if OF_2012.contains(&family) { 11.0 } else { 0.0 };
    (fma - odd - halved, bytes)
}

/// The least share of products of matrices among all instructions of a stage, in per cent. AMD's units take 32 cycles for one, and
/// one or two for any other instruction of 64 lanes.
fn budget_of_matrices(kernel: &str, constant: impl Fn(&str) -> u32) -> f64 {
    match (kernel.contains("weight"), constant("columns")) {
        (false, 128) => 9.0,
        (false, _) => 5.0,
        (true, 128) => 6.5,
        (true, _) => 3.5,
    }
}

/// What breaks the budget of a kernel that multiplies matrices, and its line in the table.
fn judge_matrices(family: &str, kernel: &str, said: &str) -> Result<String, String> {
    let (figure, code) = read(said);
    let stage = code::stage_of_matrices(code)?;
    let share = 100.0 * stage.matrices as f64 / stage.instructions as f64;
    let waves = figure("Subgroups per SIMD") * figure("Narrowest") / figure("Lanes");
    let least = budget_of_matrices(kernel, |name| constant(kernel, name));
    let products = 16 * constant(kernel, "columns") as usize / 128;
    let faults = [
        (figure("Spilled VGPRs") + figure("Spilled SGPRs") > 0.0, "registers are spilled"),
        (stage.matrices != products, "a stage has other products of matrices than a block"),
        (share < least, "too few of its instructions are products of matrices"),
        (waves < 2.0, "it has too few waves"),
    ];
    let line = format!(
        "{family:9} {kernel:75} VGPRs {:3}  waves {waves:2}  v_wmma {} of {}, {share:.1} %",
        figure("VGPRs"),
        stage.matrices,
        stage.instructions,
    );
    let found: Vec<&str> = faults.iter().filter(|fault| fault.0).map(|fault| fault.1).collect();
    if found.is_empty() { Ok(line) } else { Err(format!("{line}: {}", found.join(", "))) }
}

/// The driver's figures of a kernel, and its machine code.
fn read(said: &str) -> (impl Fn(&str) -> f64 + '_, &str) {
    let (figures, code) = said.split_once("\n\n").unwrap();
    let figure = move |name: &str| -> f64 {
        let value = figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in\n{figures}")).parse().unwrap()
    };
    (figure, code)
}

/// A number in a kernel's name.
fn constant(kernel: &str, name: &str) -> u32 {
    let mut words = kernel.split(' ');
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok()).unwrap()
}

/// The least waves a SIMD that the driver counts for a tile of 128 × 128, where that is known to be enough: half of what the
/// kernels before these had.
fn least_waves(family: &str) -> f64 {
    match family {
        "navi31" => 8.0,
        "navi21" => 5.0,
        _ => 0.0,
    }
}

/// RADV's manifest.
fn manifest() -> Option<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let is_radv = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("radeon_icd"))
    };
    files.map(|file| file.path()).find(is_radv)
}

/// Writes the tiles' kernels as SPIR-V without the driver's checks; a bias is added behind the stages, so that one without it
/// says the same.
fn write_kernels(folder: &Path) {
    for shader in SHADERS.iter() {
        let is_tile = shader.wgsl.contains("var<workgroup> tile_rows");
        let is_of_matrices = shader.wgsl.contains("coop_mat16x16");
        let is_transform = shader.name == "conv2d/winograd/channels";
        let others = ["u64", "(\"HAS_BIAS\", 1)"];
        if !(is_tile || is_of_matrices || is_transform)
            || others.iter().any(|o| shader.wgsl.contains(o) || shader.label.contains(o))
        {
            continue;
        }
        let (module, info) = overridden(shader).expect("a valid shader");
        let unchecked = BoundsCheckPolicy::Unchecked;
        let options = spv::Options {
            lang_version: (1, 6),
            flags: spv::WriterFlags::empty(),
            bounds_check_policies: BoundsCheckPolicies {
                index: unchecked,
                buffer: unchecked,
                image_load: unchecked,
                binding_array: unchecked,
            },
            force_loop_bounding: false,
            emit_int_div_checks: false,
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            ..spv::Options::default()
        };
        let main =
            spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
        let words = spv::write_vec(&module, &info, &options, Some(&main)).expect("SPIR-V");
        let is_bound = |v: &naga::GlobalVariable| matches!(v.space, AddressSpace::Storage { .. });
        let bindings = module.global_variables.iter().filter(|(_, v)| is_bound(v)).count();
        let constant = |name: &str| {
            let text = shader.wgsl.split_once(&format!("const {name}: u32 = "));
            text.and_then(|(_, value)| value.split_once('u')).map_or("0", |(value, _)| value)
        };
        let half = u32::from(shader.wgsl.contains("unpack2x16float"));
        let mut name = shader.name.replace('/', "-");
        let constants: &[&str] = match (is_of_matrices, is_transform) {
            (true, _) => &["ROWS", "COLUMNS", "RAGGED", "LOAD"],
            (_, true) => &["IN", "OUT", "FLIPPED"],
            _ => &["ROWS", "QUADS", "ODD", "IN_PARTS"],
        };
        for of in constants {
            write!(name, " {}={}", of.to_lowercase(), constant(of)).unwrap();
        }
        if is_tile {
            write!(name, " half={half}").unwrap();
        }
        write!(name, " bindings={bindings}").unwrap();
        fs::write(folder.join(name), bytemuck::cast_slice(&words)).unwrap();
    }
}

/// One family's part of the work, in a process of its own, because the driver reads its environment but once. Leaves a file
/// beside each kernel, or `unknown`.
fn compile_all(folder: &Path) {
    let Some(device) = Device::open() else {
        fs::write(folder.join("unknown"), "").unwrap();
        return;
    };
    for file in fs::read_dir(folder.join("kernels")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().to_string_lossy().into_owned();
        if name.contains(MATRICES) && !device.matrices {
            continue;
        }
        let bindings = name.rsplit('=').next().and_then(|count| count.parse().ok()).unwrap();
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&fs::read(file.path()).unwrap());
        let Compiled { mut figures, code } = device.compile(&words, bindings);
        figures.insert("Narrowest".into(), f64::from(device.narrowest));
        let mut text = String::new();
        for (name, value) in figures {
            writeln!(text, "{name}={value}").unwrap();
        }
        fs::write(folder.join(name), text + "\n" + &code).unwrap();
    }
}

/// What breaks the budget of a kernel, and its line in the table.
fn judge(family: &str, kernel: &str, said: &str) -> Result<String, String> {
    let (figure, code) = read(said);
    let constant = |name: &str| constant(kernel, name);
    let (least_fma, most_bytes) = budget(family, constant);
    let stage = code::stage(code)?;
    let fma = 100.0 * stage.fma as f64 / stage.instructions as f64;
    let bytes = stage.bytes as f64 / stage.fma as f64;
    // The driver counts waves of the narrowest subgroup; its latency and throughput are of the waves that there are. As many
    // as keep the busiest unit busy while others wait are enough.
    let counted = figure("Subgroups per SIMD");
    let waves = counted * figure("Narrowest") / figure("Lanes");
    let enough = figure("Latency") / figure("Inverse Throughput");
    let wide = constant("quads") == 32;
    let faults = [
        (figure("Spilled VGPRs") + figure("Spilled SGPRs") > 0.0, "registers are spilled"),
        (fma < least_fma, "too few of its instructions are FMA"),
        (bytes > most_bytes, "it reads too much workgroup memory"),
        (!OF_2012.contains(&family) && enough > 0.95 * waves, "its waves do not hide its loads"),
        (wide && counted < least_waves(family), "it has too few waves"),
    ];
    let line = format!(
        "{family:9} {kernel:75} VGPRs {:3}  waves {waves:2} of {enough:.1}  FMA {fma:.1} %  {bytes:.2} B",
        figure("VGPRs")
    );
    let found: Vec<&str> = faults.iter().filter(|fault| fault.0).map(|fault| fault.1).collect();
    match &found[..] {
        [] => Ok(line),
        _ => Err(format!("{line}: {}", found.join(", "))),
    }
}

/// The same of a transform, of which every lane computes a channel: it only moves numbers, so that nothing counts but that they stay
/// in registers and that waves hide most of its loads: on the newest families the compiler would have up to an eighth more of them.
fn judge_transform(family: &str, kernel: &str, said: &str) -> Result<String, String> {
    let (figure, _) = read(said);
    let waves = figure("Subgroups per SIMD") * figure("Narrowest") / figure("Lanes");
    let enough = figure("Latency") / figure("Inverse Throughput");
    let line = format!(
        "{family:9} {kernel:75} VGPRs {:3}  waves {waves:2} of {enough:.1}",
        figure("VGPRs")
    );
    let spilled = figure("Spilled VGPRs") + figure("Spilled SGPRs") + figure("Scratch size") > 0.0;
    match (spilled, 0.88 * enough > waves) {
        (true, _) => Err(format!("{line}: registers are spilled")),
        (_, true) => Err(format!("{line}: its waves hide too few of its loads")),
        _ => Ok(line),
    }
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn amds_compiler_keeps_to_the_budgets_of_the_tiles() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return compile_all(Path::new(&folder));
    }
    let Some(manifest) = manifest() else {
        println!("RADV: SKIPPED, no radeon_icd*.json is installed");
        return;
    };
    let here = tempfile::tempdir().unwrap();
    let kernels = here.path().join("kernels");
    fs::create_dir(&kernels).unwrap();
    write_kernels(&kernels);
    let names: Vec<String> = fs::read_dir(&kernels)
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.len() >= 9, "{names:?}");
    let (mut judged, mut of_matrices, mut faults) = (0, 0, Vec::new());
    for family in FAMILIES.split_whitespace() {
        let folder = here.path().join(family);
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&kernels, folder.join("kernels")).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let own = "radv::amds_compiler_keeps_to_the_budgets_of_the_tiles";
        command.args([own, "--exact", "--include-ignored", "--nocapture"]).env(FOLDER, &folder);
        command.env("RADV_FORCE_FAMILY", family).env("VK_DRIVER_FILES", &manifest);
        command.env("VK_ICD_FILENAMES", &manifest);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{family}: {output:?}");
        if folder.join("unknown").exists() {
            println!("{family}: SKIPPED, this Mesa does not know it");
            continue;
        }
        let mut names = names.clone();
        names.sort();
        for name in names {
            let Ok(said) = fs::read_to_string(folder.join(&name)) else {
                assert!(name.contains(MATRICES), "{family} has not compiled {name}");
                continue;
            };
            let kernel = name.rsplit_once(' ').map_or(&*name, |(kernel, _)| kernel);
            let multiplies = kernel.contains(MATRICES);
            let judge = match kernel.contains(TRANSFORM) {
                true => judge_transform,
                false if multiplies => judge_matrices,
                false => judge,
            };
            match judge(family, kernel, &said) {
                Ok(line) => {
                    println!("{line}");
                    judged += 1;
                    of_matrices += usize::from(multiplies);
                }
                Err(why) if why.contains("does not know") => {
                    println!("{family}: SKIPPED, {why}");
                    break;
                }
                Err(fault) => faults.push(fault),
            }
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    assert!(judged > 0, "no family was judged");
    println!("{judged} kernels, {of_matrices} of them by matrices");
}
