//! The configuration of the paper's whole experiment: what each initialisation, seed and share of the labels is trained with.

use mtpret_pipeline::{
    data::{Known, Purpose, Source},
    train::{
        config::{Backbone, Model, Multitask, load},
        reproduce::{
            config::Reproduce,
            init::{Column, Init},
            unit::Unit,
        },
        schedule::{Progress, Schedule, Span},
    },
};
use std::path::Path;

fn experiment(name: &str, overrides: &[&str]) -> mtpret_engine::Result<Reproduce> {
    let overrides: Vec<String> = overrides.iter().map(|pair| pair.to_string()).collect();
    load(Path::new(name), &overrides)
}

#[test]
fn the_full_experiment_is_the_papers() {
    let run = experiment("reproduce/full", &[]).unwrap();
    assert_eq!(run.seeds.len() * run.backbones.len() * run.columns.len(), 3 * 2 * 10);
    assert_eq!((run.data.width, run.data.height), (800, 500));
    let (segment, detect) = (run.segment.clone().unwrap(), run.detect.clone().unwrap());
    assert_eq!([segment.width, segment.height, detect.width, detect.height], [800, 500, 800, 500]);
    let moco = &run.moco.settings;
    assert_eq!((moco.queue, moco.momentum, moco.temperature), (24576, 0.999, 0.2));
    let scaled = |lr: f64| lr * run.data.batch as f64 / 256.0;
    assert_eq!((run.moco.optim.lr, run.simclr.optim.lr), (scaled(0.03), scaled(0.3)));
    let own = &run.multitask;
    assert_eq!((own.l2sp.alpha, own.l2sp.beta, own.tasks.len()), (0.1, 0.01, 4));
    // Each of Table II's seven sets is one of the catalogue, and needs no note for another in its place.
    let known = |name: &String| {
        let source = run.source.iter().find(|source| source.name == *name).unwrap();
        (Known::named(source.known.as_deref().unwrap()).unwrap(), source.task)
    };
    let targets: Vec<_> = run.targets.iter().map(|name| known(name).0.paper.unwrap()).collect();
    let paper = ["NIHCC", "Pneumonia", "MURA", "Lung", "TBX11K", "CheXpert", "DeepCovid"];
    assert_eq!(targets, paper);
    // The four that are only pretrained on serve by themselves, without what their labels leave out.
    for name in &run.multi[..4] {
        let (set, task) = known(name);
        assert_eq!(set.serves(task).unwrap().purpose, Purpose::Pretrain, "{name}");
    }
    assert!(run.multi[4..].iter().all(|name| *name == run.single || own.tasks.contains(name)));
}

#[test]
fn mtpret_without_its_cycle_has_the_cycles_mean_rate() {
    let sets = ["multitask.task_lr={pneumonia=0.02}", "multitask.l2sp.anchor_at=trough"];
    let experiment = experiment("reproduce/small", &sets).unwrap();
    let stage = |init: &Init| {
        let model = Model { backbone: Backbone::Resnet18, weights: None };
        experiment.multitask(init, model, Unit { seed: 1, division: 0, labels: 1.0 })
    };
    let mean = |stage: &Multitask, task: &str| {
        let of = 100;
        let rates = (0..of).map(|at| {
            let span = Span { at, of };
            stage.optim_of(task).lr(&Progress { run: span, epoch: span, round: span })
        });
        rates.sum::<f64>() / of as f64
    };
    let whole = stage(&Init::Column(Column::Mtpret));
    for init in [Init::Column(Column::MtpretMinus), Init::NoCycle] {
        let without = stage(&init);
        assert_eq!(without.optim.schedule, Schedule::Constant);
        for task in ["pneumonia", "fracatlas"] {
            let [cycle, constant] = [&whole, &without].map(|stage| mean(stage, task));
            assert!((cycle / constant - 1.0).abs() < 1e-9, "{init}, {task}: {cycle}, {constant}");
        }
    }
}

#[test]
fn a_share_of_the_labels_has_as_many_steps_and_stage_1_knows_no_labels() {
    let sets = ["divisions=[0,3]", "labels=[0.25,1.0]", "label_targets=[\"pneumonia\"]"];
    let experiment = experiment("reproduce/small", &sets).unwrap();
    let units = experiment.units();
    let names: Vec<String> = units.iter().map(ToString::to_string).collect();
    let expected =
        ["seed-1", "seed-1-labels-0.25", "seed-1-division-3", "seed-1-division-3-labels-0.25"];
    assert_eq!(names, expected);
    let model = || Model { backbone: Backbone::Resnet18, weights: None };
    let [whole, .., part] = units[..] else { panic!("{units:?}") };
    assert_eq!(experiment.targets_of(whole).count(), experiment.targets.len());
    assert_eq!(experiment.targets_of(part).collect::<Vec<_>>(), ["pneumonia"]);
    let stages = |unit: Unit| {
        let tuned = experiment.finetune("pneumonia", None, model(), unit);
        let learnt = experiment.multitask(&Init::Column(Column::Mtpret), model(), unit);
        let contrast = experiment.pretrain(false, false, model(), unit);
        let share = |sources: &[Source]| (sources[0].seed, sources[0].train_share);
        let shares = [&tuned.source, &learnt.source, &contrast.source].map(|s| share(s));
        (tuned.epochs, learnt.rounds, shares)
    };
    let [(epochs, rounds, all), (more, again, some)] = [stages(whole), stages(part)];
    assert_eq!((more, again), (4 * epochs, 4 * rounds));
    assert_eq!(all, [(0, 1.0); 3]);
    assert_eq!(some, [(3, 0.25), (3, 0.25), (3, 1.0)]);
    for (set, place) in [
        ("labels=[0.0]", "labels.0"),
        ("labels=[]", "labels"),
        ("divisions=[]", "divisions"),
        ("label_targets=[\"bone-age\"]", "label_targets.0"),
    ] {
        let wrong = self::experiment("reproduce/small", &[set]).unwrap_err().to_string();
        assert!(wrong.contains(place), "{wrong}");
    }
}

#[test]
fn a_variant_is_mtpret_with_other_settings_of_stages_2_and_3() {
    let sets =
        ["variants={ warm = [\"multitask.optim.schedule=sgdr\", \"finetune.keep_head=true\"], \
         still = [\"multitask.l2sp.alpha=1.0\"] }"];
    let experiment = self::experiment("reproduce/small", &sets).unwrap();
    let inits: Vec<String> = experiment.inits().iter().map(ToString::to_string).collect();
    assert_eq!(inits[inits.len() - 3..], ["MTPret", "still", "warm"]);
    let model = || Model { backbone: Backbone::Resnet18, weights: None };
    let unit = experiment.units()[0];
    let stage = |init: &Init| experiment.of(init).multitask(init, model(), unit);
    let whole = stage(&Init::Column(Column::Mtpret));
    let [warm, still] = ["warm", "still"].map(|name| Init::Variant(name.into()));
    let mut expected = whole.clone();
    expected.optim.schedule = Schedule::Sgdr;
    assert_eq!(stage(&warm), expected);
    let mut expected = whole;
    expected.l2sp.alpha = 1.0;
    assert_eq!(stage(&still), expected);
    assert!(experiment.of(&warm).finetune.keep_head && !experiment.of(&still).finetune.keep_head);
    for (variant, part) in [
        ("mtpret = [\"finetune.epochs=1\"]", "a file's name that no other row has"),
        ("'a/b' = [\"finetune.epochs=1\"]", "`a/b`"),
        ("x = [\"moco.epochs=1\"]", "settings of multitask, finetune or target"),
        ("x = [\"finetune.epochs=0\"]", "variants.x"),
        ("x = [\"finetune.epoch=1\"]", "epoch"),
    ] {
        let set = format!("variants={{ {variant} }}");
        let wrong = self::experiment("reproduce/small", &[&set]).unwrap_err().to_string();
        assert!(wrong.contains(part), "{wrong}");
    }
}
