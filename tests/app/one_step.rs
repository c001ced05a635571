//! One step for checks and for training: `run-steps` and the stages record the same launches.

use mtpret_engine::{
    gpu::{Command, DeviceOptions, Gpu},
    step::{StepOptions, Stepper, Trainable},
    tensor::Array,
};
use mtpret_pipeline::{
    data::{Dataset, Fit, Kind, Labels, Source},
    models::{
        Depth, Projection,
        catalogue::{Architecture, HeadOptions},
        deeplab::DeepLabOptions,
    },
    train::{
        Device,
        config::{
            Augment, Data, Detect as Boxes, DetectorNorm, DiceClasses, DiceReduce, KeyBn, Optim,
            Preset, Segment as Masks,
        },
        on_tensors::{LoadOptions, LoadedNetwork, NamedArrays, OnViews},
        stages::moco::{Contrast, MocoModel, MocoStep},
        step::optimizer::Update,
        tasks::{
            ClassifyTask, DetectTask, SegmentTask, Task,
            model::{TaskModel, TaskStep},
        },
    },
    weights,
};

const BATCH: usize = 2;
const SIDE: usize = 64;
const AUGMENT: Augment = Augment { flip: 0.5, rotate_deg: 10.0, shift: 0.05 };

fn device() -> Device {
    let gpu = Gpu::open(DeviceOptions::default()).unwrap();
    Device { gpu, step: StepOptions::default() }
}

fn data() -> Data {
    Data {
        width: SIDE,
        height: SIDE,
        batch: BATCH,
        threads: 1,
        cache_mb: 1,
        pack: None,
        max_bad: 0,
        mean: 122.786,
        std: 18.39,
    }
}

fn update() -> Update {
    Update::new(&Optim { weight_decay: 1e-4, ..Optim::constant(0.01) }, None)
}

/// A data set of one kind without films.
fn set(kind: Kind, count: usize) -> Dataset {
    let names = (0..count).map(|i| i.to_string()).collect();
    Dataset::new("t", Labels { kind, names })
}

/// Every launch of a step but those that make views of films: kernel, constants, parameters, grid, shape.
fn launches(device: &Device, step: &dyn Trainable) -> Vec<String> {
    let stepper = Stepper::new(device, step).unwrap();
    let said = |command: &Command| match command {
        Command::Launch(l) if l.source.name.starts_with("warp/") => None,
        Command::Launch(l) => Some(format!(
            "{} {:?} {:?} {:?} {}",
            l.source.name, l.constants, l.params, l.grid, l.cost.shape
        )),
        Command::Copy { from, .. } => Some(format!("copy of {} bytes", from.bytes)),
    };
    stepper.programs()[0].commands().iter().filter_map(said).collect()
}

/// Holds fine-tuning of a task, whose films have `target` numbers each, to `run-steps` on the network of this name and a batch of
/// these shapes.
fn hold(name: &str, task: &dyn Task, target: usize, targets: &[(&'static str, Vec<usize>)]) {
    let device = device();
    let model = TaskModel::new(&device, Depth::R18, &[task], false, 1).unwrap();
    let update = update();
    let finetune =
        TaskStep { model: &model, task, head: 0, target, augment: &AUGMENT, update, average: None };
    let trained = launches(&device, &finetune);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.safetensors");
    weights::save(&file, model.network(&device, 0).unwrap(), Default::default()).unwrap();
    let deeplab = DeepLabOptions { dropout: 0.5, ..Preset::Torchvision.deeplab(16) };
    let heads = HeadOptions { deeplab, faster_rcnn: Preset::Torchvision.faster_rcnn() };
    let options = LoadOptions { heads, norm: DetectorNorm::Train, anchored: false };
    let found = weights::open(&file).unwrap();
    let architecture = Architecture::named(name).unwrap();
    let outputs = found.outputs(architecture).unwrap();
    let loaded = LoadedNetwork::new(&device, architecture, outputs, &options, &found).unwrap();
    let shapes = [("x", vec![BATCH, SIDE, SIDE, 3])].into_iter().chain(targets.iter().cloned());
    let batch: NamedArrays = shapes.map(|(name, shape)| (name, Array::zeros(&shape))).collect();
    let optimizer = update.optimizer(&loaded.train.network.weights.layout, 0, false);
    let checked = launches(&device, &loaded.on(&batch, optimizer));

    assert!(trained.len() > 100, "{} launches", trained.len());
    for (at, (trained, checked)) in trained.iter().zip(&checked).enumerate() {
        assert_eq!(trained, checked, "{name}: launch {at}");
    }
    assert_eq!(trained.len(), checked.len(), "{name}");
}

#[test]
fn fine_tuning_of_classes_is_what_run_steps_runs() {
    let source = serde_json::json!({ "name": "t", "format": "folder", "root": "." });
    let source: Source = serde_json::from_value(source).unwrap();
    let set = set(Kind::Classes, 3);
    let task = ClassifyTask::new(&source, &set, &data(), Default::default()).unwrap();
    hold("resnet18", &task, 1, &[("classes", vec![BATCH, 1])]);
}

#[test]
fn fine_tuning_of_masks_is_what_run_steps_runs() {
    let masks = Masks {
        width: SIDE,
        height: SIDE,
        batch: BATCH,
        preset: Preset::Torchvision,
        output_stride: 16,
        aux: false,
        smooth: 1.0,
        reduce: DiceReduce::Image,
        classes: DiceClasses::Fg,
        original_size: false,
        loss_weight: 1.0,
    };
    let task = SegmentTask::new(&set(Kind::Mask, 1), &data(), &masks).unwrap();
    hold("deeplabv3_resnet18", &task, SIDE * SIDE, &[("mask", vec![BATCH, SIDE, SIDE, 1])]);
}

#[test]
fn fine_tuning_of_boxes_is_what_run_steps_runs() {
    let boxes = Boxes {
        width: SIDE,
        height: SIDE,
        batch: BATCH,
        preset: Preset::Torchvision,
        norm: DetectorNorm::Train,
        fit: Fit::Stretch,
        proposals: [2000, 1000],
        sampled: 512,
        loss_weight: 1.0,
    };
    let task = DetectTask::new(&set(Kind::Boxes, 1), &data(), &boxes).unwrap();
    let targets =
        [("corners", vec![BATCH, 1, 4]), ("classes", vec![BATCH, 1]), ("extents", vec![BATCH, 2])];
    hold("fasterrcnn_resnet18_fpn", &task, 5, &targets);
}

#[test]
fn pretraining_is_what_run_steps_runs() {
    let device = device();
    let model = || MocoModel::new(&device, Depth::R18, [32, 16], Projection::Mlp, 1).unwrap();
    let (one, other) = (model(), model());
    let contrast =
        Contrast { temperature: 0.2, ema: 0.99, splits: 2, key_bn: KeyBn::Split, shuffle: false };
    let (data, update) = (data(), update());
    let stage = MocoStep { moco: &one, data: &data, augment: &AUGMENT, contrast, update };
    let shape = vec![BATCH, SIDE, SIDE, 3];
    let given = OnViews { moco: &other, contrast, shape, update };
    let [trained, checked] = [launches(&device, &stage), launches(&device, &given)];
    assert!(trained.len() > 100, "{} launches", trained.len());
    assert_eq!(trained, checked);
}
