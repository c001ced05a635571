//! Checkpoints are whole or refused.

use mtpret_engine::Error;
use mtpret_pipeline::weights::checkpoint::{
    self, Elements, HostTensor, Metadata, Tensors, read, write,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

fn sample() -> (Tensors, Metadata) {
    let tensors = [
        ("conv1.weight", HostTensor::f32([2, 1, 2], vec![1.5, -0.0, f32::MIN_POSITIVE, 3.0e38])),
        ("bn1.num_batches_tracked", HostTensor::i64([], vec![i64::MIN])),
        ("flags", HostTensor { shape: vec![3], data: Elements::U8(vec![0, 1, 255]) }),
        ("nothing", HostTensor::f32([0, 4], vec![])),
    ];
    let tensors = tensors.map(|(name, tensor)| (name.to_string(), tensor)).into();
    (tensors, Metadata::from([("step".into(), "41".into()), ("stage".into(), "moco \"1\"".into())]))
}

fn shapes(tensors: &Tensors) -> Vec<(String, Vec<usize>)> {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
}

fn folder_with(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn whole() -> Vec<u8> {
    let (folder, path) = folder_with(b"");
    let (tensors, metadata) = sample();
    write(&path, &tensors, &metadata).unwrap();
    let bytes = fs::read(&path).unwrap();
    drop(folder);
    bytes
}

/// The message of an [`Error::Weights`], which names the file.
#[track_caller]
fn weights_fault<T: std::fmt::Debug>(
    path: &Path,
    result: mtpret_engine::Result<T>,
    parts: &[&str],
) {
    let fault = result.unwrap_err();
    assert!(matches!(fault, Error::Weights(_)), "{fault:?}");
    let message = fault.to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn what_is_written_is_read_and_the_same_tensors_give_the_same_bytes() {
    let (folder, path) = folder_with(b"an older file");
    let (tensors, metadata) = sample();
    write(&path, &tensors, &metadata).unwrap();
    let (found, words) = read(&path, Some(&shapes(&tensors))).unwrap();
    assert_eq!((&found, &words), (&tensors, &metadata));
    assert_eq!(found["conv1.weight"].as_f32().unwrap()[1].to_bits(), (-0.0f32).to_bits());
    let first = fs::read(&path).unwrap();
    write(&path, &found, &words).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left behind");
}

#[test]
fn other_readers_of_safetensors_accept_the_file() {
    let bytes = whole();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weight = file.tensor("conv1.weight").unwrap();
    assert_eq!((weight.dtype(), weight.shape()), (safetensors::Dtype::F32, &[2, 1, 2][..]));
    assert_eq!(weight.data()[..4], 1.5f32.to_le_bytes());
    assert_eq!(weight.data().as_ptr().addr() % 4, bytes.as_ptr().addr() % 4, "misaligned");
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let bytes = whole();
    for length in 0..bytes.len() {
        let (_folder, path) = folder_with(&bytes[..length]);
        weights_fault(&path, read(&path, None), &["expected", "found"]);
    }
    let (_folder, path) = folder_with(&[&bytes[..], b"x"].concat());
    weights_fault(&path, read(&path, None), &["bytes of elements"]);
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_changes_no_tensor_and_no_word() {
    let bytes = whole();
    let (tensors, metadata) = sample();
    let header = bytes.iter().position(|&byte| byte == b'}').unwrap();
    let mut refused = 0;
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (_folder, path) = folder_with(&bytes);
        match read(&path, None) {
            Err(Error::Weights(_)) => refused += 1,
            Err(other) => panic!("bit {bit}: {other:?}"),
            // The name of the program, which tells whether a checksum must be there.
            Ok((found, mut words)) => {
                words.retain(|_, word| word.len() != 64);
                assert_eq!((&found, &words), (&tensors, &metadata), "bit {bit}");
                assert!(bit / 8 < header, "bit {bit} of the elements passed");
            }
        }
    }
    assert!(refused > bytes.len() * 8 - 8 * "blake3".len() - 8, "only {refused} refused");
}

#[test]
fn a_header_that_asks_for_too_much_is_refused_before_memory_is_taken() {
    let with_header = |size: u64, header: &str| {
        let (folder, path) = folder_with(&[&size.to_le_bytes(), header.as_bytes()].concat());
        (folder, path)
    };
    let (_folder, path) = with_header(u64::MAX, "{}");
    weights_fault(&path, read(&path, None), &["at most 16777216 bytes", "18446744073709551615"]);
    let (_folder, path) = with_header(1 << 24, "{}");
    weights_fault(&path, read(&path, None), &["expected a header of 16777216 bytes"]);
    let huge = r#"{"w":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#;
    let (_folder, path) = with_header(huge.len() as u64, huge);
    weights_fault(&path, read(&path, None), &["expected 4398046511104 bytes", "found 0"]);
    let overflow = r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#;
    let (_folder, path) = with_header(overflow.len() as u64, overflow);
    weights_fault(&path, read(&path, None), &["header of a safetensors file"]);
    let many: Vec<String> = (0..20_001)
        .map(|i| format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#))
        .collect();
    let many = format!("{{{}}}", many.join(","));
    let (_folder, path) = with_header(many.len() as u64, &many);
    weights_fault(&path, read(&path, None), &["20000 tensors", "20001 tensors"]);
}

#[test]
fn tensors_other_than_the_expected_are_named() {
    let (_folder, path) = folder_with(&whole());
    let expected = shapes(&sample().0);
    let read_as = |change: fn(&mut Vec<(String, Vec<usize>)>)| {
        let mut expected = expected.clone();
        change(&mut expected);
        read(&path, Some(&expected))
    };
    let missing = read_as(|expected| expected.push(("conv2.weight".into(), vec![4, 3])));
    weights_fault(&path, missing, &[": conv2.weight:", "[4, 3]", "found none", "is conv1.weight"]);
    let misshapen = read_as(|expected| expected.iter_mut().for_each(|(_, shape)| shape.push(2)));
    weights_fault(&path, misshapen, &["expected the shape [2]", "found []"]);
    let extra = read_as(|expected| expected.retain(|(name, _)| name != "flags"));
    weights_fault(&path, extra, &[": flags:", "expected no tensor", "[3]"]);
}

#[test]
fn a_tensor_with_other_elements_than_its_shape_is_not_written() {
    let (_folder, path) = folder_with(b"old");
    let tensors = Tensors::from([("w".into(), HostTensor::f32([3], vec![0.0; 2]))]);
    weights_fault(&path, write(&path, &tensors, &Metadata::new()), &[": w:", "[3]", "found 2"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_path_that_cannot_be_written_is_an_error_that_names_it() {
    let (folder, file) = folder_with(b"old");
    let (tensors, metadata) = sample();
    for path in [file.join("below a file"), folder.path().join("no/folder"), folder.path().into()] {
        let fault = write(&path, &tensors, &metadata).unwrap_err();
        assert!(matches!(fault, Error::Io { .. }), "{fault:?}");
        assert!(fault.to_string().starts_with(&path.display().to_string()), "{fault}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left behind");
}

/// Tensors of which all elements say the step.
fn uniform(step: usize, elements: usize) -> Tensors {
    let tensor = |_| HostTensor::f32([elements / 4], vec![step as f32; elements / 4]);
    (0..4).map(|i| (format!("layer{i}.weight"), tensor(i))).collect()
}

/// This test program again, running only the test `name`, with `folder` to work in.
fn again(name: &str, folder: &Path) -> [String; 3] {
    let program = env::current_exe().unwrap().display().to_string();
    [
        format!("MTPRET_CHILD='{}' exec '{program}'", folder.display()),
        "--exact".into(),
        format!("checkpoint::{name}"),
    ]
}

/// Runs `script` in a shell; it ends in this program running the test `name` as a child.
fn shell(script: &str, name: &str, folder: &Path) -> Command {
    let [program, exact, name] = again(name, folder);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{script}{program} {exact} {name} --nocapture")]);
    command.stdout(Stdio::null());
    command
}

#[test]
fn a_process_killed_at_any_moment_leaves_a_whole_checkpoint() {
    const ELEMENTS: usize = 1 << 18;
    let write_step =
        |path: &Path, step| write(path, &uniform(step, ELEMENTS), &Metadata::new()).unwrap();
    if let Some(folder) = env::var_os("MTPRET_CHILD") {
        let path = Path::new(&folder).join(checkpoint::FILE);
        for step in 1.. {
            write_step(&path, step);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(checkpoint::FILE);
    write_step(&path, 0);
    let mut advanced = 0;
    for round in 0..20 {
        let name = "a_process_killed_at_any_moment_leaves_a_whole_checkpoint";
        let mut child = shell("", name, folder.path()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(60 + 7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let (tensors, _) = read(&path, Some(&shapes(&uniform(0, ELEMENTS)))).unwrap();
        let step = tensors["layer0.weight"].as_f32().unwrap()[0];
        assert_eq!(tensors, uniform(step as usize, ELEMENTS), "a mixture of steps");
        advanced += (step > 0.0) as usize;
        // At most the one part that was being written is left, and the next save clears it.
        assert!(fs::read_dir(folder.path()).unwrap().count() <= 2);
        write_step(&path, 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    assert!(advanced > 0, "no child ever wrote a checkpoint");
}

/// In a place for files of 256 KiB at most: a small checkpoint, then one that does not fit.
fn outgrow(folder: &Path) {
    let path = folder.join(checkpoint::FILE);
    write(&path, &uniform(1, 1 << 12), &Metadata::new()).unwrap();
    let fault = write(&path, &uniform(2, 1 << 18), &Metadata::new()).unwrap_err();
    assert!(matches!(fault, Error::Io { .. }), "{fault:?}");
    assert_eq!(read(&path, None).unwrap().0, uniform(1, 1 << 12), "the old checkpoint is lost");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "a part of the new one stays");
    eprintln!("outgrown: {fault}");
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_leaves_the_old_checkpoint_and_nothing_else() {
    if let Some(folder) = env::var_os("MTPRET_CHILD") {
        return outgrow(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let name = "a_file_that_may_not_grow_leaves_the_old_checkpoint_and_nothing_else";
    // `ulimit -f` counts 512 bytes in a POSIX shell, 1024 in others.
    let output = shell("trap '' XFSZ; ulimit -f 256; ", name, folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("outgrown"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_checkpoint_and_nothing_else() {
    if let Some(folder) = env::var_os("MTPRET_CHILD") {
        return outgrow(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let name = "a_full_disk_leaves_the_old_checkpoint_and_nothing_else";
    let mount = format!("mount -t tmpfs -o size=256k tmpfs '{}'", folder.path().display());
    let private = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]);
        command
    };
    if !private(&mount).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no small file system can be mounted here");
        return;
    }
    let [program, exact, test] = again(name, folder.path());
    let script = format!("{mount} && {program} {exact} {test} --nocapture");
    let output = private(&script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("No space left on device"), "{said}");
}
