//! The program as a person meets it: the real binary on tiny films, on the default adapter.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

mod program;
mod results;
mod training;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mtpret");

/// Films of 32 x 32 pixels, four a batch, a reading each step; a checkpoint only where a test asks.
const TINY: [&str; 11] = [
    "data.width=32",
    "data.height=32",
    "data.batch=4",
    "data.cache_mb=16",
    "log.every=1",
    "log.save_every=1000",
    "moco.queue=8",
    "moco.dim=16",
    "moco.bn_splits=2",
    "monitor.k=3",
    "optim.lr=0.01",
];

/// A folder for one test, with films in two classes.
struct Place(TempDir);

impl Place {
    /// Eleven films a class: 16 to learn from, 2 to choose by, 4 to report on.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for film in 0..11 {
            place.film(&format!("films/dark/d{film}.png"), film, 40);
            place.film(&format!("films/light/l{film}.png"), film, 120);
        }
        place
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    /// Writes a film that no other number gives.
    fn film(&self, name: &str, number: u32, grey: u32) {
        let value = |x: u32, y: u32| image::Luma([(grey + (x * (number + 1) + y * 7) % 90) as u8]);
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_fn(32, 32, value).save(path).unwrap();
    }
    /// A source as `--set source=[…]` has it.
    fn source(&self, name: &str) -> String {
        format!("{{name={name:?},format=\"folder\",root={:?}}}", self.path("films"))
    }
    /// A stage on the films, in the run folder `run`.
    fn stage(&self, stage: &str, run: &str, settings: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg(stage).arg("--run").arg(self.path(run)).current_dir(self.0.path());
        let two = format!("source=[{},{}]", self.source("pneumonia"), self.source("mura"));
        let own = |key: &&&str| match key.split_once('.').unwrap().0 {
            "moco" | "monitor" => stage == "pretrain",
            _ => true,
        };
        let passes: &[&str] = match stage {
            "multitask" => &["rounds=1", "tasks=[\"pneumonia\",\"mura\"]"],
            _ => &["epochs=1"],
        };
        let all =
            TINY.iter().filter(own).copied().chain([two.as_str()]).chain(passes.iter().copied());
        all.chain(settings.iter().copied()).for_each(|s| {
            command.args(["--set", s]);
        });
        command
    }
    /// The stage's run, gone on with.
    fn resume(&self, stage: &str, run: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg(stage).arg("--resume").arg(self.path(run)).current_dir(self.0.path());
        command
    }
    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }
}

/// A DICOM film of `width` × `height` pixels of 8 bits, without a name's ending to tell it by.
fn dicom(width: u16, height: u16) -> Vec<u8> {
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::tags;
    let mut object = dicom_object::InMemDicomObject::new_empty();
    for (tag, value) in [
        (tags::ROWS, height),
        (tags::COLUMNS, width),
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    for (tag, vr, value) in [
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::SOP_INSTANCE_UID, VR::UI, "1.2.3"),
        (tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1.1"),
    ] {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    let pixels: Vec<u8> = (0..usize::from(width * height)).map(|v| (v * 40) as u8).collect();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(pixels)));
    let meta = dicom_object::FileMetaTableBuilder::new().transfer_syntax("1.2.840.10008.1.2.1");
    let mut bytes = Vec::new();
    object.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
    bytes
}

/// What a program printed.
struct Printed {
    out: String,
    err: String,
}

/// Runs a command to its end, which must have this exit code.
fn ended(command: Command, code: i32) -> Printed {
    let assert = assert_cmd::Command::from_std(command).timeout(Duration::from_secs(120)).assert();
    let output = assert.get_output().clone();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let printed = Printed { out: text(&output.stdout), err: text(&output.stderr) };
    assert_eq!(output.status.code(), Some(code), "{}\n{}", printed.out, printed.err);
    assert!(!printed.err.contains("panicked"), "{}", printed.err);
    printed
}

fn succeeded(command: Command) -> Printed {
    ended(command, 0)
}

/// Runs a command that ends with one error, which holds each of `words`; gives the error's line.
fn refused(command: Command, code: i32, words: &[&str]) -> String {
    let err = ended(command, code).err;
    let errors: Vec<_> = err.lines().filter(|l| l.starts_with("mtpret: ")).collect();
    assert_eq!(errors.len(), 1, "{err}");
    for word in words {
        assert!(err.contains(word), "`{word}` is not in: {err}");
    }
    errors[0].to_owned()
}

/// A running program whose standard error is read line by line.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn new(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }
    /// Waits for a line that holds `word`.
    fn until(&mut self, word: &str) -> String {
        let mut seen = String::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line.contains(word) {
                return line;
            }
            seen += &(line + "\n");
        }
        panic!("`{word}` never came:\n{seen}")
    }
    /// Sends a signal (`INT`, `KILL`) and waits for the end; the exit code and what was printed.
    fn stop(self, signal: &str) -> (Option<i32>, String) {
        let process = self.child.id().to_string();
        Command::new("kill").args(["-s", signal, &process]).status().unwrap();
        self.end()
    }
    /// From now on no file of the program may become larger than a mebibyte. Software drivers keep memory in files, so that a
    /// program cannot be begun with such a limit.
    fn limit_files(&self) {
        let process = format!("--pid={}", self.child.id());
        assert!(
            Command::new("prlimit").args([&process, "--fsize=1048576"]).status().unwrap().success()
        );
    }
    /// Waits for the end; the exit code and what was printed.
    fn end(mut self) -> (Option<i32>, String) {
        let rest: Vec<_> = self.lines.map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest.join("\n"))
    }
}

/// Whether the file is a whole safetensors file.
fn is_whole(path: &Path) -> bool {
    safetensors::SafeTensors::deserialize(&fs::read(path).unwrap()).is_ok()
}
