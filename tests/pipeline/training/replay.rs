//! Replay of a recorded step: it does the same, and nothing else.

use super::{
    augment, data, films, moco, moco_step, numbers, open, optim, source, stepper, task, task_model,
    task_step,
};
use mtpret_engine::{
    gpu::{Counters, DeviceOptions, Gpu},
    step::StepOptions,
};
use mtpret_pipeline::train::{
    Device,
    config::{
        Anchor, AnchorAt, Backbone, Classify, KeyBn, L2sp, Log, Moco, Model, Multitask, Optim,
        Pretrain, Scope, Visit,
    },
    run::{Reading, Run, Watch},
    stages::{multitask::multitask, pretrain::pretrain},
};
use std::{cell::RefCell, path::Path};

/// Notes the counters after each step and after each reading.
struct Witness {
    gpu: Gpu,
    seen: RefCell<Vec<(Event, Counters)>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Step,
    Reading,
}

impl Witness {
    fn note(&self, event: Event) {
        self.seen.borrow_mut().push((event, self.gpu.counters()));
    }
}

impl Watch for Witness {
    fn reading(&self, _: &Reading) {
        self.note(Event::Reading);
    }
    fn note(&self, _: &str) {}
    /// A stage asks after each step.
    fn interrupted(&self) -> bool {
        self.note(Event::Step);
        false
    }
}

/// Sixteen films of two classes to train on, and one for validation and test each.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 8), ("val", 1), ("test", 1)] {
        for class in ["one", "two"] {
            let of_class = folder.path().join(part).join(class);
            std::fs::create_dir_all(&of_class).unwrap();
            for i in 0..count {
                let grey = |x: u32, y: u32| image::Luma([(x * (i + 3) + y * 7) as u8]);
                let film = image::GrayImage::from_fn(32, 32, grey);
                film.save(of_class.join(format!("{part}{class}{i}.png"))).unwrap();
            }
        }
    }
    folder
}

fn log() -> Log {
    Log { every: 5, save_every: 1000 }
}

fn model() -> Model {
    Model { backbone: Backbone::Resnet18, weights: None }
}

fn pretraining(root: &Path) -> Pretrain {
    Pretrain {
        seed: 1,
        epochs: 3,
        data: data(4, [32, 32]),
        source: vec![source("films", root, false)],
        augment: augment(),
        model: model(),
        moco: Some(Moco {
            dim: 32,
            queue: 16,
            momentum: 0.9,
            temperature: 0.2,
            bn_splits: 2,
            key_bn: KeyBn::Split,
            mlp: true,
        }),
        simclr: None,
        optim: optim(),
        monitor: None,
        log: log(),
    }
}

fn multitasking(roots: [&Path; 2]) -> Multitask {
    let names = ["first", "second"];
    Multitask {
        seed: 1,
        rounds: 2,
        tasks: names.map(str::to_owned).into(),
        reshuffle: true,
        keep_head_momentum: true,
        keep_backbone_momentum: false,
        visit: Visit::Epoch,
        ema: 0.9,
        task_lr: [("second".to_owned(), 0.005)].into(),
        validate: Default::default(),
        validate_films: 0,
        hand_on: Default::default(),
        data: data(4, [32, 32]),
        source: names.iter().zip(roots).map(|(name, root)| source(name, root, true)).collect(),
        augment: augment(),
        model: model(),
        classify: Classify::default(),
        segment: None,
        detect: None,
        optim: Optim { weight_decay: 0.0, ..optim() },
        l2sp: L2sp {
            anchor: Anchor::PrevTask,
            anchor_at: AnchorAt::End,
            alpha: 0.1,
            beta: 0.01,
            scope: Scope::Weights,
        },
        log: log(),
    }
}

/// Holds what a stage did against what it may do.
fn judge(stage: &str, witness: Witness) {
    let seen = witness.seen.into_inner();
    let steps = seen.iter().filter(|(event, _)| *event == Event::Step).count();
    let readings = seen.len() - steps;
    assert!(readings >= 3 && steps > 2 * readings, "{stage}: {steps} steps, {readings} readings");
    let alive = |c: Counters| [c.buffers, c.bind_groups, c.pipelines, c.modules, c.buffer_bytes];
    let (_, first) = seen[0];
    assert!(alive(first).iter().all(|count| *count > 0), "{stage}: wgpu counts: {first:?}");
    for (at, pair) in seen.windows(2).enumerate() {
        let [(_, before), (event, after)] = pair else { unreachable!("windows of two") };
        let moved = [after.uploads - before.uploads, after.readbacks - before.readbacks];
        let launches = after.launches - before.launches;
        assert_eq!(alive(*after), alive(first), "{stage}: event {at}, {event:?}");
        match event {
            Event::Step => {
                assert_eq!(moved, [1, 0], "{stage}: a step sends its batch and reads nothing");
                assert!(launches > 0, "{stage}: a step launches kernels");
            }
            Event::Reading => {
                assert_eq!(moved, [0, 1], "{stage}: a reading takes the meter and sends nothing");
                assert_eq!(launches, 0, "{stage}: a reading launches nothing");
            }
        }
    }
    let [[.., memory], counts] = [alive(first), alive(seen[seen.len() - 1].1)];
    println!("{stage}: {steps} steps, {readings} readings: {counts:?} alive, {} MiB", memory >> 20);
}

#[test]
fn after_the_first_step_nothing_is_created() {
    let films = [folder(), folder()];
    let out = tempfile::tempdir().unwrap();
    for stage in ["pretrain", "multitask"] {
        let gpu = open();
        let witness = Witness { gpu: gpu.gpu.clone(), seen: RefCell::default() };
        let run = Run::new(&out.path().join(stage), &witness, false).unwrap();
        let done = match stage {
            "pretrain" => pretrain(&gpu, &pretraining(films[0].path()), &run),
            _ => multitask(&gpu, &multitasking(films.each_ref().map(|f| f.path())), &run),
        };
        assert!(done.unwrap().is_file());
        judge(stage, witness);
    }
}

/// All that five steps of both kinds leave: weights, momentum, statistics, gradients, queue.
fn five_steps(options: DeviceOptions, seed: u32) -> Vec<Vec<u8>> {
    let gpu = Device { gpu: Gpu::open(options).unwrap(), step: StepOptions::default() };
    let (data, augment) = (data(4, [32, 32]), augment());
    let (model, moco) = (task_model(&gpu, 5), moco(&gpu, 5));
    let contrast = moco_step(&moco, &data, &augment);
    let mut classify = stepper(&gpu, &task_step(&model, &task(&data), &augment));
    let mut contrast = stepper(&gpu, &contrast);
    for at in 0..5 {
        let films = films(&data, at.into());
        let step = numbers(seed, at, at * 4 % 16);
        classify.run(&step, &films.labelled()).unwrap();
        contrast.run(&step, &films.unlabelled()).unwrap();
    }
    let left = [
        &model.train.network.weights.data,
        &model.train.network.statistics.data,
        &model.train.momentum.data,
        &model.train.gradients.data,
        &moco.query.network.weights.data,
        &moco.query.network.statistics.data,
        &moco.key.weights.data,
        &moco.key.statistics.data,
        &moco.query.momentum.data,
        &moco.queue.data,
    ];
    let left: Vec<_> = left.map(|slice| gpu.read(slice).unwrap()).into();
    for bytes in &left {
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
        assert!(values.iter().all(|v| v.is_finite()), "training went astray");
    }
    left
}

#[test]
fn a_profile_runs_the_step_and_moves_nothing() {
    let gpu = open();
    let (data, augment) = (data(4, [32, 32]), augment());
    let moco = moco(&gpu, 5);
    let mut stepper = stepper(&gpu, &moco_step(&moco, &data, &augment));
    let films = films(&data, 1);
    stepper.run(&numbers(1, 0, 0), &films.unlabelled()).unwrap();
    let all = || {
        let [query, key] = [&moco.query.network, &moco.key].map(|state| state.arenas());
        let arenas = query.into_iter().chain(key).chain([&moco.query.momentum]);
        let slices = arenas.map(|arena| &arena.data).chain([&moco.queue.data]);
        slices.map(|slice| gpu.read(slice).unwrap()).collect::<Vec<_>>()
    };
    let before = all();
    let kernels = stepper.kernels().unwrap();
    assert!(kernels.iter().any(|kernel| kernel.kernel == "sgd/step"), "{kernels:?}");
    assert!(before == all(), "the profile trained");
    assert_eq!(stepper.read_meter().unwrap().count, 1, "the meter read the profile");
}

#[test]
fn one_seed_gives_one_result_bit_for_bit_however_memory_and_checks_are_set() {
    let first = five_steps(DeviceOptions::default(), 1);
    assert!(first == five_steps(DeviceOptions::default(), 1), "two runs from one seed differ");
    let poison = DeviceOptions { poison: true, ..DeviceOptions::default() };
    assert!(first == five_steps(poison, 1), "memory that is shared and memory full of NaN differ");
    let checked = DeviceOptions { checked: true, ..DeviceOptions::default() };
    assert!(first == five_steps(checked, 1), "kernels with and without the driver's checks differ");
    let other = five_steps(DeviceOptions::default(), 2);
    assert!(first.iter().zip(&other).all(|(a, b)| a != b), "the seed changes nothing");
}
