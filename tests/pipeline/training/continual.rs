//! State that stage 2 hands from visit to visit: weights, momentum, anchor.

use super::{augment, data, open, optim, source};
use mtpret_engine::Error;
use mtpret_pipeline::{
    data::Source,
    train::{
        Device,
        config::{
            Anchor, AnchorAt, Backbone, Classify, DiceClasses, DiceReduce, Finetune, HandOn, L2sp,
            Log, Model, Multitask, Optim, Preset, Scope, Segment, Validate, Visit,
        },
        run::{Reading, Run, Watch},
        schedule::{Period, Schedule},
        stages::{finetune::finetune, multitask::multitask},
    },
    weights::checkpoint::{self, Tensors},
};
use std::{cell::Cell, fs, path::Path};

thread_local! {
    /// The device of all of a test's stages: kernels are compiled once.
    static DEVICE: Device = open();
}

/// Interrupts the stage after so many steps.
struct After(Cell<u64>);

impl Watch for After {
    fn reading(&self, _: &Reading) {}
    fn note(&self, _: &str) {}
    fn interrupted(&self) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }
}

/// Films of two classes, and films with discs to outline: sixteen of each to train on.
pub fn films() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let draw = |path: &str, grey: &dyn Fn(u32, u32) -> u8| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_fn(32, 32, |x, y| image::Luma([grey(x, y)])).save(path).unwrap();
    };
    for i in 0..20 {
        let (class, slope) = if i % 2 == 0 { ("flat", 1) } else { ("steep", 7) };
        let part = if i < 16 {
            "train"
        } else if i < 18 {
            "val"
        } else {
            "test"
        };
        draw(&format!("classes/{part}/{class}/{i}.png"), &|x, y| (x * slope + y + i) as u8);
        let inside = |x: u32, y: u32| {
            x.abs_diff(8 + i % 5 * 4).pow(2) + y.abs_diff(16).pow(2) < 40 + i % 3 * 20
        };
        draw(&format!("discs/films/{i}.png"), &|x, y| if inside(x, y) { 200 } else { 90 });
        draw(&format!("discs/masks/{i}.png"), &|x, y| if inside(x, y) { 255 } else { 0 });
    }
    folder
}

fn discs(root: &Path) -> Source {
    let root = root.join("discs");
    let text = format!(
        "name = 'discs'\nformat = 'masks'\nroot = '{}'\nimages = 'films'\nmasks = ['masks/{{}}.png']",
        root.display()
    );
    toml::from_str(&text).unwrap()
}

/// A classification, then an outline: each a visit of four steps at the constant rate, without L²-SP.
pub fn config(films: &Path) -> Multitask {
    Multitask {
        seed: 1,
        rounds: 1,
        tasks: ["classes", "discs"].map(str::to_owned).into(),
        visit: Visit::Steps(4),
        reshuffle: false,
        keep_head_momentum: true,
        keep_backbone_momentum: false,
        ema: 0.0,
        task_lr: [].into(),
        validate: Validate::default(),
        validate_films: 0,
        hand_on: HandOn::Last,
        data: data(4, [32, 32]),
        source: vec![source("classes", &films.join("classes"), true), discs(films)],
        augment: augment(),
        model: Model { backbone: Backbone::Resnet18, weights: None },
        classify: Classify::default(),
        segment: Some(Segment {
            width: 32,
            height: 32,
            batch: 4,
            preset: Preset::Torchvision,
            output_stride: 16,
            aux: false,
            smooth: 1.0,
            reduce: DiceReduce::Batch,
            classes: DiceClasses::Fg,
            original_size: true,
            loss_weight: 10.0,
        }),
        detect: None,
        optim: Optim { weight_decay: 0.0, ..optim() },
        l2sp: L2sp {
            anchor: Anchor::PrevTask,
            anchor_at: AnchorAt::End,
            alpha: 0.0,
            beta: 0.0,
            scope: Scope::Weights,
        },
        log: Log { every: 4, save_every: 4 },
    }
}

/// Runs the stage in this folder, or goes on with it, for so many steps or to its end; what its checkpoint or its weights hold then.
pub fn run(folder: &Path, config: &Multitask, steps: Option<u64>) -> Tensors {
    let watch = After(Cell::new(steps.unwrap_or(u64::MAX)));
    let run = Run::new(folder, &watch, folder.exists()).unwrap();
    let done = DEVICE.with(|device| multitask(device, config, &run));
    match steps {
        None => checkpoint::read(&done.unwrap(), None).unwrap().0,
        Some(_) => {
            assert!(matches!(done, Err(Error::Interrupted(_))), "{done:?}");
            checkpoint::read(&run.checkpoint_file(), None).unwrap().0
        }
    }
}

/// Fine-tunes in this folder; the weights of the best epoch.
///
/// # Errors
/// As the stage's own.
pub fn fine_tuned(folder: &Path, config: &Finetune) -> mtpret_engine::Result<Tensors> {
    let watch = After(Cell::new(u64::MAX));
    let run = Run::new(folder, &watch, folder.exists())?;
    DEVICE.with(|device| finetune(device, config, &run))?;
    Ok(checkpoint::read(&run.weights_file(), None)?.0)
}

/// How far the backbone's convolutions lie apart.
fn distance(a: &Tensors, b: &Tensors) -> f64 {
    let of_backbone = |name: &&String| !name.starts_with("heads.") && name.contains("conv");
    let mut sum = 0.0;
    for name in b.keys().filter(of_backbone) {
        let (a, b) = (&a[name], &b[name]);
        let pairs = a.as_f32().unwrap().iter().zip(b.as_f32().unwrap());
        sum += pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    }
    assert!(sum.is_finite());
    sum.sqrt()
}

/// Only the tensors whose names begin with `prefix`, without it.
fn below(prefix: &str, tensors: &Tensors) -> Tensors {
    let named = tensors
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())));
    named.collect()
}

/// How far a visit to the discs moves the backbone after a visit to the classes, by the momentum that was left, and from a fresh
/// optimiser with the same weights.
fn displacements(films: &Path, config: &Multitask) -> [f64; 2] {
    let after = films.join("after");
    let fresh = films.join("fresh");
    for folder in [&after, &fresh] {
        let _ = fs::remove_dir_all(folder);
    }
    let start = below("backbone.", &run(&after, config, Some(4)));
    fs::create_dir(&fresh).unwrap();
    for name in ["checkpoint.safetensors", "config.resolved.toml"] {
        fs::copy(after.join(name), fresh.join(name)).unwrap();
    }
    let (mut tensors, metadata) =
        checkpoint::read(&fresh.join("checkpoint.safetensors"), None).unwrap();
    let mut left = 0.0;
    for (_, tensor) in tensors.iter_mut().filter(|(name, _)| name.starts_with("momentum.")) {
        let values = tensor.as_f32().unwrap();
        left += values.iter().map(|v| f64::from(v.abs())).sum::<f64>();
        *tensor = checkpoint::HostTensor::f32(tensor.shape.clone(), vec![0.0; values.len()]);
    }
    assert!(left > 0.0, "the first visit left no momentum");
    checkpoint::write(&fresh.join("checkpoint.safetensors"), &tensors, &metadata).unwrap();
    [&after, &fresh].map(|folder| distance(&run(folder, config, None), &start))
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn the_momentum_that_a_task_left_does_not_move_the_backbone_under_the_next() {
    let films = films();
    let mut config = config(films.path());
    let [after, fresh] = displacements(films.path(), &config);
    println!("moved {after:.4} after another task, {fresh:.4} from a fresh optimiser");
    assert!(fresh > 0.0 && (0.8..=1.2).contains(&(after / fresh)), "{after} beside {fresh}");
    // The switch that keeps it: what it replays goes its own way.
    config.keep_backbone_momentum = true;
    let [kept, fresh] = displacements(films.path(), &config);
    println!("moved {kept:.4} where it is kept, {fresh:.4} from a fresh optimiser");
    assert!(!(0.99..=1.01).contains(&(kept / fresh)), "{kept} beside {fresh}");
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn twice_the_weight_of_a_loss_is_twice_the_rate_where_nothing_else_pulls() {
    let films = films();
    let [heavy, fast] = [(2.0, 0.005), (1.0, 0.01)].map(|(weight, lr)| {
        let mut config = config(films.path());
        config.tasks = vec!["discs".into()];
        config.segment.as_mut().unwrap().loss_weight = weight;
        config.task_lr = [("discs".to_owned(), lr)].into();
        run(&films.path().join(format!("weight-{weight}")), &config, None)
    });
    assert!(heavy == fast, "they differ by {}", distance(&heavy, &fast));
}

#[test]
fn visits_of_some_steps_go_on_in_the_films_where_the_last_one_ended() {
    let films = films();
    // Four steps are an epoch.
    let [parts, whole] = [(Visit::Steps(2), 4), (Visit::Epoch, 2)].map(|(visit, rounds)| {
        let mut config = config(films.path());
        config.tasks = vec!["classes".into()];
        (config.visit, config.rounds, config.keep_backbone_momentum) = (visit, rounds, true);
        run(&films.path().join(format!("rounds-{rounds}")), &config, None)
    });
    assert!(parts == whole, "they differ by {}", distance(&parts, &whole));
}

#[test]
fn the_average_of_a_visit_is_handed_on() {
    let films = films();
    let mut config = config(films.path());
    (config.tasks, config.visit) = (vec!["classes".into()], Visit::Steps(1));
    let mut ends = Vec::new();
    for (rounds, ema) in [(1, 0.0), (1, 0.5)] {
        (config.rounds, config.ema) = (rounds, ema);
        ends.push(run(&films.path().join(format!("ema-{ema}")), &config, None));
    }
    // At the rate 0 nothing moves: what the visit began with.
    (config.ema, config.optim.lr) = (0.0, 1e-30);
    let start = run(&films.path().join("start"), &config, None);
    let [whole, half] = [&ends[0], &ends[1]].map(|end| distance(end, &start));
    assert!(whole > 0.0 && (half / whole - 0.5).abs() < 1e-3, "{half} of {whole}");
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn the_anchor_can_be_what_the_lowest_rate_left() {
    let films = films();
    let mut config = config(films.path());
    (config.optim.schedule, config.optim.period) = (Schedule::Cyclic2pi, Some(Period::TaskEpoch));
    (config.l2sp.anchor_at, config.l2sp.alpha) = (AnchorAt::Trough, 0.1);
    let folder = films.path().join("trough");
    // The third of the first visit's four steps has the lowest rate; then one of the second visit.
    let trough = below("backbone.", &run(&folder, &config, Some(3)));
    let later = run(&folder, &config, Some(2));
    assert_eq!(distance(&below("anchor.", &later), &trough), 0.0);
    let end = below("backbone.", &later);
    assert!(distance(&end, &trough) > 0.0, "what followed moved nothing");
}
