//! Whole networks against PyTorch, through the commands that any other program checks them by.
//!
//! `tools/parity/model_fixtures.py` made `tests/fixtures/models`; its head says how names give weights,
//! films and targets, so that neither is stored.

use mtpret_engine::{
    autograd::{Mode, Tape},
    gpu::{DeviceOptions, Gpu, Program, Recording},
    tensor::{Array, Layout, Order, Scope, State, Tensor},
};
use mtpret_pipeline::{
    models::{Classifier, DeepLab, Depth, Encoder, Projection, ResNet, deeplab, head},
    train::tasks::attention::{enlarged, grad_cam},
    weights::{
        self, Unexpected, arenas,
        checkpoint::{self, Elements, HostTensor, Metadata, Tensors},
    },
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
};

/// Error allowed for outputs, losses and statistics, and the least allowed for gradients.
const CLOSE: f64 = 1e-4;
const LEAST: f64 = 1e-3;
/// Losses of a run that are compared one by one.
const EARLY: usize = 3;

/// splitmix64 of FNV-1a of the name, plus i.
fn bits(name: &str, i: usize) -> u64 {
    let fnv = |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
    let z = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv).wrapping_add(i as u64);
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Uniform in [0, 1).
fn unit(name: &str, i: usize) -> f64 {
    (bits(name, i) >> 11) as f64 / (1u64 << 53) as f64
}

/// Uniform in [−1, 1).
fn signed(name: &str, i: usize) -> f64 {
    2.0 * unit(name, i) - 1.0
}

fn tensor(shape: &[usize], value: impl Fn(usize) -> f64) -> HostTensor {
    let values = (0..shape.iter().product()).map(|i| value(i) as f32).collect();
    HostTensor::f32(shape, values)
}

/// The formula's weights and running statistics for everything that `scope` has declared.
fn formula(scope: &Scope) -> Tensors {
    let (parameters, statistics) = scope.layouts();
    let all = |layout: &Layout| layout.entries().cloned().collect::<Vec<_>>();
    let entries = [all(&parameters), all(&statistics)].concat();
    let value = |name: &str, order: Order, shape: &[usize]| {
        let fan_in: usize = shape[1..].iter().product();
        let scale = (6.0 / fan_in as f64).sqrt();
        tensor(shape, |i| match order {
            Order::Conv | Order::Linear | Order::Image { .. } => signed(name, i) * scale,
            // A vector called weight is batch norm's.
            _ if name.ends_with("weight") || name.ends_with("running_var") => 0.5 + unit(name, i),
            Order::Vector => signed(name, i) * 0.1,
        })
    };
    let named = |e: mtpret_engine::tensor::Entry| {
        let tensor = value(&e.name, e.order, &e.file_shape);
        (e.name, tensor)
    };
    entries.into_iter().map(named).collect()
}

fn film(name: &str, shape: &[usize]) -> HostTensor {
    tensor(shape, |i| signed(name, i) * 2.0)
}

fn target(kind: &str, name: &str, x: &[usize], classes: usize) -> HostTensor {
    let n = x[0];
    let label = |i| match bits(name, i) {
        b if b % 5 == 0 => f64::NAN,
        b => ((b >> 8) % 2) as f64,
    };
    match kind {
        "index" => {
            HostTensor::i64([n], (0..n).map(|i| (bits(name, i) % classes as u64) as i64).collect())
        }
        "labels" => tensor(&[n, classes], label),
        "mask" => tensor(&[n, 1, x[2], x[3]], |i| (bits(name, i) % 2) as f64),
        other => panic!("a target of kind {other}"),
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

/// A case of `cases.json`, a folder for its files, and what the engine made of it.
struct Case {
    case: Value,
    folder: tempfile::TempDir,
}

impl Case {
    fn new(name: &str) -> Self {
        let text = fs::read_to_string(fixtures().join("cases.json")).unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        for (name, wanted) in all["formula"].as_object().unwrap() {
            let found: Vec<f64> = (0..4).map(|i| unit(name, i)).collect();
            assert!(farthest(&found, &numbers(wanted)) < 1e-15, "the formula for {name}");
        }
        let mut cases = all["cases"].as_array().unwrap().iter();
        let case = cases.find(|case| case["name"] == name).unwrap().clone();
        Self { case, folder: tempfile::tempdir().unwrap() }
    }
    fn text(&self, key: &str) -> &str {
        self.case[key].as_str().unwrap()
    }
    fn shape(&self, key: &str) -> Vec<usize> {
        self.case[key].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
    }
    fn classes(&self) -> usize {
        self.case["classes"].as_u64().unwrap() as usize
    }
    fn target(&self, name: &str) -> HostTensor {
        target(self.text("target"), name, &self.shape("x"), self.classes())
    }
    /// A DeepLab's output stride.
    fn stride(&self) -> Option<usize> {
        self.case["stride"].as_u64().map(|stride| stride as usize)
    }
    /// The formula's weights for a network with its head, or with MoCo's.
    fn weights(&self, moco: bool) -> Tensors {
        let name = self.text("model").trim_start_matches("deeplabv3_");
        let (root, depth) = (Scope::root(), Depth::named(name).unwrap());
        if let Some(stride) = self.stride() {
            let backbone = Rc::new(ResNet::new(&root.at("backbone"), depth));
            let options = deeplab::DeepLabOptions::torchvision(stride);
            DeepLab::new(&root.part(head(0)), &backbone, self.classes(), options);
        } else if moco {
            Encoder::new(&root, depth, 128, Projection::Mlp);
        } else {
            let backbone = Rc::new(ResNet::new(&root, depth));
            Classifier::new(&root.part(head(0)), &backbone, self.classes());
        }
        formula(&root)
    }
    fn write(&self, name: &str, tensors: &Tensors) -> PathBuf {
        let path = self.folder.path().join(name);
        checkpoint::write(&path, tensors, &Metadata::new()).unwrap();
        path
    }
    /// Runs mtpret, whose output is the file that this returns.
    fn run(&self, command: &str, words: &[&str], files: &[(&str, &Path)]) -> PathBuf {
        let output = self.folder.path().join("output");
        let mut mtpret = Command::new(env!("CARGO_BIN_EXE_mtpret"));
        mtpret.args([command, self.text("model")]).args(words).arg("-o").arg(&output);
        mtpret.args(self.stride().map(|stride| format!("--output-stride={stride}")));
        mtpret.args(files.iter().flat_map(|(flag, path)| [OsStr::new(flag), path.as_os_str()]));
        let done = mtpret.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        output
    }
    fn run_model(&self, inputs: &Tensors, words: &[&str]) -> Tensors {
        let weights = self.write("weights.safetensors", &self.weights(false));
        let inputs = self.write("inputs.safetensors", inputs);
        let files: [(_, &Path); 2] = [("--weights", &weights), ("--input", &inputs)];
        checkpoint::read(&self.run("run-model", words, &files), None).unwrap().0
    }
    /// PyTorch's tensors: of each every `stride`-th element.
    fn wanted(&self) -> Tensors {
        let path = fixtures().join(self.text("name")).with_extension("safetensors");
        checkpoint::read(&path, None).unwrap().0
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn floats(tensors: &Tensors, name: &str) -> Vec<f64> {
    let tensor = tensors.get(name).unwrap_or_else(|| panic!("no {name}"));
    tensor.as_f32().unwrap().iter().map(|v| f64::from(*v)).collect()
}

fn length(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The largest of the differences; NaN is infinite.
fn farthest(found: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let far = |(f, w): (&f64, &f64)| if f.is_finite() { (f - w).abs() } else { f64::INFINITY };
    found.iter().zip(wanted).map(far).fold(0.0, f64::max)
}

/// The worst of some figures, each with its name and its limit.
#[derive(Default)]
struct Worst(Vec<(String, f64, f64)>);

impl Worst {
    fn add(&mut self, name: impl Into<String>, figure: f64, limit: f64) {
        self.0.push((name.into(), figure, limit));
    }
    /// Prints the one nearest to its limit; none may be beyond.
    fn hold(mut self, what: &str) {
        self.0.sort_by(|a, b| (b.1 / b.2).total_cmp(&(a.1 / a.2)));
        let (name, figure, limit) = self.0.first().expect("something was compared");
        let count = self.0.len();
        println!("{what}: worst of {count} is {name}: {figure:.2e}, limit {limit:.2e}");
        let beyond: Vec<_> =
            self.0.iter().filter(|(_, figure, limit)| !(figure <= limit)).collect();
        assert!(beyond.is_empty(), "{what}: {} of {count} beyond: {beyond:?}", beyond.len());
    }
}

fn eval(name: &str) {
    let case = Case::new(name);
    let inputs = Tensors::from([("x".to_owned(), film("x", &case.shape("x")))]);
    let (found, wanted) = (case.run_model(&inputs, &[]), case.wanted());
    let mut worst = Worst::default();
    for (name, about) in case.case["tensors"].as_object().unwrap() {
        let shape: Vec<u64> = found[name].shape.iter().map(|s| *s as u64).collect();
        assert_eq!(about["shape"], Value::from(shape), "{name}");
        let stride = about["stride"].as_u64().unwrap() as usize;
        let kept: Vec<f64> = floats(&found, name).into_iter().step_by(stride).collect();
        let far = farthest(&kept, &floats(&wanted, name));
        worst.add(name, far / about["range"].as_f64().unwrap(), CLOSE);
    }
    let outputs = if case.stride().is_some() { 1 } else { 5 };
    assert_eq!(worst.0.len(), outputs, "a mask, or logits and four feature maps");
    worst.hold(&format!("{} eval, of the range", case.text("model")));
}

fn train(name: &str) {
    let case = Case::new(name);
    let x = ("x".to_owned(), film("x", &case.shape("x")));
    let inputs = Tensors::from([x, ("target".to_owned(), case.target("target"))]);
    let found = case.run_model(&inputs, &["--mode", "train", "--grad"]);
    let wanted = case.wanted();

    let mut losses = Worst::default();
    let loss = case.case["loss"]["f64"].as_f64().unwrap();
    let named = if case.stride().is_some() { "losses.mask" } else { "losses.class" };
    losses.add("loss", (floats(&found, named)[0] - loss).abs() / loss, CLOSE);
    losses.hold(name);

    let mut statistics = Worst::default();
    for name in wanted.keys().filter(|name| name.contains(".running_")) {
        let wanted = floats(&wanted, name);
        let largest = wanted.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        statistics.add(name, farthest(&floats(&found, name), &wanted) / largest, CLOSE);
    }
    statistics.hold(&format!("{name}, running statistics"));

    let (mut norms, mut probes, mut elements) = <(Worst, Worst, Worst)>::default();
    for (name, about) in case.case["gradients"].as_object().unwrap() {
        let number = |key: &str| about[key].as_f64().unwrap();
        let (norm, limit) = (number("norm"), (3.0 * number("f32_error")).max(LEAST));
        let gradient = floats(&found, &format!("grad.{name}"));
        norms.add(name, (length(gradient.iter().copied()) - norm).abs() / norm, limit);
        // The probe is a random direction, so that it sees 1/√3 of an error's length in the mean, and
        // three times that one time in four hundred.
        let probe = format!("probe.{name}");
        let probed: f64 = (0..).zip(&gradient).map(|(i, g)| g * signed(&probe, i)).sum();
        let seen = (probed - number("probe")).abs() * 3f64.sqrt() / norm;
        probes.add(name, seen, 3.0 * limit);
        let kept = gradient.iter().step_by(number("stride") as usize);
        let wanted = floats(&wanted, &format!("grad.{name}"));
        assert_eq!(kept.len(), wanted.len(), "{name}");
        let far = length(kept.zip(&wanted).map(|(g, w)| g - w));
        elements.add(name, far / length(wanted), limit);
    }
    norms.hold(&format!("{name}, lengths of gradients"));
    probes.hold(&format!("{name}, gradients along a random direction"));
    elements.hold(&format!("{name}, elements of gradients"));
}

#[test]
fn resnet18_evaluates_as_pytorchs_does() {
    eval("resnet18_eval");
}

#[test]
fn resnet50_evaluates_as_pytorchs_does() {
    eval("resnet50_eval");
}

#[test]
fn the_grad_cam_of_a_resnet18_is_pytorchs() {
    let case = Case::new("resnet18_cam");
    let gpu = Gpu::open(DeviceOptions::default()).unwrap();
    let (root, depth) = (Scope::root(), Depth::R18);
    let backbone = Rc::new(ResNet::new(&root, depth));
    let classifier = Classifier::new(&root.part(head(0)), &backbone, case.classes());
    let state = State::init(&gpu, &root, 0).unwrap();
    arenas::take(&gpu, Path::new("weights"), &case.weights(false), "", state.arenas()).unwrap();
    let x = case.shape("x");
    let pixels = film("x", &x).as_f32().unwrap().iter().map(|v| f64::from(*v)).collect();
    let x = Array::new(&x, pixels).permuted(&[0, 2, 3, 1]);
    let class = case.case["class"].as_u64().unwrap() as usize;
    let one_hot = (0..case.classes()).map(|c| f64::from(u8::from(c == class)));
    let seed = Array::new(&[1, case.classes()], one_hot.collect());
    let [x, seed] = [&x, &seed].map(|array| Tensor::upload(&gpu, array).unwrap());

    let rec = Recording::new(&gpu);
    let tape = Tape::new(&rec, &state, Mode::Eval);
    let c5 = tape.watch(&backbone.forward(&tape, &tape.input(&x)).unwrap()[3].value);
    let scores = classifier.logits(&tape, &c5).unwrap();
    let gradient = tape.gradient(&scores, &seed, &c5).unwrap().unwrap();
    [&c5.value, &gradient].into_iter().for_each(|tensor| rec.keep(&tensor.data));
    let program = Program::new(rec).unwrap();
    program.run();
    let [features, gradient] = [&c5.value, &gradient].map(|tensor| {
        let array = tensor.read(&program).unwrap();
        Array::new(&array.shape[1..], array.data)
    });

    let cam = grad_cam(&features, &gradient);
    let large = enlarged(&cam, [128, 96]);
    let wanted = case.wanted();
    let most = floats(&wanted, "cam").into_iter().fold(0.0, f64::max);
    assert!(most > 0.0, "the fixture's map is not empty");
    let mut worst = Worst::default();
    for (name, map) in [("cam", cam), ("enlarged", large)] {
        let found: Vec<f64> = map.iter().map(|v| f64::from(*v)).collect();
        worst.add(name, farthest(&found, &floats(&wanted, name)) / most, CLOSE);
    }
    worst.hold("Grad-CAM, of its greatest value");
}

#[test]
fn deeplab_on_resnet18_evaluates_as_torchvisions_parts_do() {
    eval("deeplabv3_resnet18_eval");
}

#[test]
fn deeplab_on_resnet50_evaluates_as_torchvisions_does() {
    eval("deeplabv3_resnet50_eval");
}

#[test]
fn deeplab_on_resnet18_differentiates_as_torchvisions_parts_do() {
    train("deeplabv3_resnet18_train");
}

#[test]
fn resnet18_differentiates_as_pytorchs_does() {
    train("resnet18_train");
}

#[test]
fn resnet18_differentiates_as_pytorchs_does_where_labels_are_missing() {
    train("resnet18_labels");
}

#[test]
fn resnet50_differentiates_as_pytorchs_does() {
    train("resnet50_train");
}

/// Ten steps of training: the first losses one by one, and the whole curve.
fn steps(name: &str) {
    let case = Case::new(name);
    let (task, shape) = (case.text("task"), case.shape("x"));
    let moco = task == "moco";
    let mut batches = Tensors::new();
    for t in 0..10 {
        let name = |part: &str| format!("{part}.{t}");
        if moco {
            let view = film(&name("view1"), &shape);
            let mut mirrored = view.as_f32().unwrap().to_vec();
            mirrored.chunks_mut(shape[3]).for_each(|row| row.reverse());
            batches.insert(name("view1"), view);
            batches.insert(name("view2"), HostTensor::f32(shape.clone(), mirrored));
        } else {
            batches.insert(name("x"), film(&name("x"), &shape));
            batches.insert(name("target"), case.target(&name("target")));
        }
    }
    if moco {
        let shape = case.shape("queue");
        let [dim, keys] = [shape[0], shape[1]];
        let column = |key: usize| length((0..dim).map(|d| signed("queue", d * keys + key)));
        let lengths: Vec<f64> = (0..keys).map(column).collect();
        let queue = tensor(&shape, |i| signed("queue", i) / lengths[i % keys]);
        batches.insert("queue".into(), queue);
    }
    let weights = case.write("weights.safetensors", &case.weights(moco));
    let batches = case.write("batches.safetensors", &batches);
    let settings = case.case["settings"].as_object().unwrap();
    let settings: Vec<String> = settings.iter().map(|(k, v)| format!("--set={k}={v}")).collect();
    let mut words: Vec<&str> = settings.iter().map(String::as_str).collect();
    words.extend(["--task", task]);
    let files: [(_, &Path); 2] = [("--weights", &weights), ("--batches", &batches)];
    let trace = fs::read_to_string(case.run("run-steps", &words, &files)).unwrap();
    let trace: Value = serde_json::from_str(&trace).unwrap();
    let found: Vec<f64> =
        trace["steps"].as_array().unwrap().iter().map(|s| s["loss"].as_f64().unwrap()).collect();

    let truth = numbers(&case.case["losses"]["f64"]);
    let singles: Vec<_> =
        case.case["losses"]["f32"].as_array().unwrap().iter().map(numbers).collect();
    let mut early = Worst::default();
    for t in 0..EARLY {
        let off = |curve: &[f64]| (curve[t] - truth[t]).abs() / truth[t];
        let float32 = singles.iter().map(|c| off(c)).fold(0.0, f64::max);
        early.add(format!("loss {t}"), off(&found), CLOSE.max(3.0 * float32));
    }
    early.hold(name);
    let float32 = singles.iter().map(|c| farthest(c, &truth)).fold(0.0, f64::max);
    let largest = truth.iter().copied().fold(0.0, f64::max);
    let mut curve = Worst::default();
    curve.add("distance", farthest(&found, &truth), (3.0 * float32).max(CLOSE * largest));
    curve.hold(&format!("{name}, ten steps"));
}

#[test]
fn ten_steps_of_classification_follow_pytorchs() {
    steps("classify");
}

#[test]
fn ten_steps_where_labels_are_missing_follow_pytorchs() {
    steps("classify_l2sp");
}

#[test]
fn ten_steps_of_segmentation_follow_pytorchs() {
    steps("segment");
}

#[test]
fn ten_steps_of_contrast_follow_pytorchs() {
    steps("moco");
}

#[test]
fn saved_weights_have_torchvisions_names_and_load_back_bit_for_bit() {
    let gpu = Gpu::open(DeviceOptions::default()).unwrap();
    let case = Case::new("resnet18_train");
    let root = Scope::root();
    let backbone = Rc::new(ResNet::new(&root, Depth::R18));
    Classifier::new(&root.part(head(0)), &backbone, case.classes());
    let [saved, loaded] = [1, 2].map(|seed| State::init(&gpu, &root, seed).unwrap());
    arenas::take(&gpu, Path::new("weights"), &formula(&root), "", [&saved.statistics]).unwrap();
    let path = case.folder.path().join("saved.safetensors");
    weights::save(&path, arenas::network(&gpu, &saved).unwrap(), Default::default()).unwrap();

    let mut torchvisions: BTreeSet<String> =
        case.case["gradients"].as_object().unwrap().keys().cloned().collect();
    for name in case.wanted().into_keys().filter(|name| name.contains(".running_")) {
        if let Some(norm) = name.strip_suffix("running_mean") {
            torchvisions.insert(format!("{norm}num_batches_tracked"));
        }
        torchvisions.insert(name);
    }
    let file = checkpoint::read(&path, None).unwrap().0;
    assert!(file.keys().eq(&torchvisions), "{:?}", file.keys());
    let counter = |t: &HostTensor| t.shape.is_empty() && matches!(t.data, Elements::I64(_));
    assert!(file.iter().all(|(name, t)| name.contains("num_batches") == counter(t)));

    let bytes = |state: &State| {
        [&state.weights, &state.statistics].map(|arena| gpu.read(&arena.data).unwrap())
    };
    let [before, wanted] = [&loaded, &saved].map(bytes);
    assert!((0..2).all(|i| before[i] != wanted[i]), "there is something to load");
    let found = weights::open(&path).unwrap();
    let found = found.matched(&loaded.shapes(), Unexpected::Refuse).unwrap();
    arenas::take(&gpu, Path::new("weights"), &found, "", loaded.arenas()).unwrap();
    assert!(bytes(&loaded) == wanted);
}
