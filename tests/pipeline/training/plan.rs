//! Places of transients in memory.

use super::{
    augment, data, films, moco, moco_step, numbers, open, stepper, task, task_model, task_step,
};
use mtpret_engine::{
    gpu::{Access, DeviceOptions, Gpu, Memory, Program, Recording},
    ops::{Op, add::Add, relu::Relu},
    step::{Recorded, StepOptions, Trainable},
    tensor::{Array, Philox, Tensor},
};
use std::{collections::BTreeMap, ops::Range};

/// A transient's bytes and the commands from the first to the last that touch it.
struct Life {
    bytes: u64,
    commands: Range<usize>,
}

/// Lives by transient, found from the commands alone.
fn lives(program: &Program) -> BTreeMap<usize, Life> {
    let mut lives = BTreeMap::new();
    for (at, command) in program.commands().iter().enumerate() {
        for (slice, _) in command.slices() {
            let Memory::Transient(t) = slice.memory else { continue };
            let life = lives.entry(t).or_insert(Life { bytes: 0, commands: at..at });
            life.commands.end = at + 1;
            life.bytes = life.bytes.max(slice.offset + slice.bytes);
        }
    }
    // What was placed in existing memory is none of the plan's.
    lives.retain(|t, _| program.plan().places[*t].is_some());
    lives
}

/// Checks a program's plan; returns the bytes of its arenas and the most bytes alive at once.
fn check(program: &Program) -> [u64; 2] {
    let (plan, lives) = (program.plan(), lives(program));
    let place = |t: usize| plan.places[t].unwrap();
    let overlap = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    let bytes = |t: usize, life: &Life| place(t).offset..place(t).offset + life.bytes;
    let mut pairs = 0;
    for (t, a) in &lives {
        assert!(
            bytes(*t, a).end <= plan.arenas[place(*t).arena],
            "transient {t} ends in its arena"
        );
        for (u, b) in lives.range(t + 1..) {
            let together = a.commands.start < b.commands.end && b.commands.start < a.commands.end;
            let meet = place(*t).arena == place(*u).arena && overlap(&bytes(*t, a), &bytes(*u, b));
            assert!(!(together && meet), "transients {t} and {u} live at once and share bytes");
            pairs += usize::from(meet);
        }
    }
    assert!(pairs > 0, "no memory was used twice, so that nothing was checked");
    for (at, command) in program.commands().iter().enumerate() {
        let arenas = |wanted: Access| {
            let touched = command.slices().into_iter().filter(move |(_, access)| *access == wanted);
            let places = touched.filter_map(|(slice, _)| match slice.memory {
                Memory::Transient(t) => plan.places[t].map(|p| p.arena),
                Memory::Buffer(_) => None,
            });
            places.collect::<Vec<_>>()
        };
        let read = arenas(Access::Read);
        let both = arenas(Access::Write).into_iter().find(|arena| read.contains(arena));
        assert_eq!(both, None, "command {at} reads and writes one arena");
    }
    let alive = |at: usize| {
        lives.values().filter(|l| l.commands.contains(&at)).map(|l| l.bytes).sum::<u64>()
    };
    let most = (0..program.commands().len()).map(alive).max().unwrap();
    [plan.bytes(), most]
}

#[test]
fn a_training_step_needs_little_more_memory_than_what_is_alive_at_once() {
    let (gpu, augment) = (open(), augment());
    let (model, moco) = (task_model(&gpu, 1), moco(&gpu, 1));
    let hold = |name: String, steps: &dyn Trainable| {
        let [arenas, alive] = check(&stepper(&gpu, steps).programs()[0]);
        let share = arenas as f64 / alive as f64;
        println!("{name}: {arenas} bytes planned, {alive} alive at once: {share:.3}");
        assert!(share <= 1.10, "{name}: {share:.3}");
    };
    for [batch, height, width] in [[4, 32, 32], [8, 64, 64], [6, 100, 61]] {
        let data = data(batch, [height, width]);
        let size = format!("{batch} films of {height} x {width}");
        hold(format!("classify, {size}"), &task_step(&model, &task(&data), &augment));
        let contrast = moco_step(&moco, &data, &augment);
        hold(format!("moco, {size}"), &contrast);
    }
}

#[test]
fn a_step_short_of_memory_makes_cheap_tensors_again_and_leaves_the_same_weights_bit_for_bit() {
    let data = data(4, [128, 160]);
    let (augment, task) = (augment(), task(&data));
    let films = films(&data, 7);
    let run = |memory: Option<u64>| {
        let gpu = super::with(StepOptions { memory, ..StepOptions::default() });
        let model = task_model(&gpu, 1);
        let mut stepper = stepper(&gpu, &task_step(&model, &task, &augment));
        check(&stepper.programs()[0]);
        for number in 0..3 {
            stepper.run(&numbers(1, number, 0), &films.labelled()).unwrap();
        }
        let weights = gpu.read(&model.state().weights.data).unwrap();
        let taken = gpu.counters().buffer_bytes as u64;
        (
            weights,
            taken,
            stepper.recomputed(),
            stepper.micro(),
            stepper.programs()[0].plan().bytes(),
        )
    };
    let (weights, taken, again, micro, activations) = run(None);
    assert_eq!([again, micro], [0, 1]);
    // A little less than what all of it takes.
    let (same, less, again, micro, fewer) = run(Some(taken - activations / 10));
    println!("{again} launches twice: {activations} bytes of activations become {fewer}");
    assert!(again > 0 && micro == 1, "{again} launches twice, {micro} micro-batches");
    assert!(less < taken && fewer < activations);
    assert!(same == weights, "tensors made again differ");
    let (_, _, again, micro, all) = run(Some(taken));
    assert!(again == 0 && micro == 1 && all == activations, "there is room for everything");
    let gpu = super::with(StepOptions { memory: Some(taken / 4), ..StepOptions::default() });
    let model = task_model(&gpu, 1);
    let refused = Recorded::new(&gpu, &task_step(&model, &task, &augment));
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("memory for a step") && why.contains("MiB short"), "{why}");
}

/// A random recording of sums, ReLUs and copies; the tensors that are kept and their values.
fn random(rec: &Recording, seed: u64) -> Vec<(Tensor, Vec<f32>)> {
    const SIZES: [usize; 4] = [4, 60, 260, 1000];
    let mut draw = Philox::new(seed, 0);
    let mut tensors: Vec<Vec<(Tensor, Vec<f32>)>> = SIZES
        .iter()
        .map(|size| {
            let values = Array::random(&[*size], draw.word().into());
            let tensor = Tensor::upload(&rec.gpu, &values).unwrap();
            vec![(tensor, values.data.iter().map(|v| *v as f32).collect())]
        })
        .collect();
    let mut kept = Vec::new();
    for _ in 0..60 {
        let known = &mut tensors[draw.below(SIZES.len())];
        // Mostly new tensors, so that old ones die.
        let mut pick = |reach: usize| known.len() - 1 - draw.below(reach.min(known.len()));
        let (a, b) = (known[pick(3)].clone(), known[pick(6)].clone());
        let made = match draw.below(4) {
            0 => {
                let values = a.1.iter().map(|v| v.max(0.0)).collect();
                (Relu.forward(rec, [&a.0]).unwrap().0, values)
            }
            1 => {
                let copy = Tensor::new(rec, &a.0.shape);
                rec.copy(&a.0.data, &copy.data);
                (copy, a.1)
            }
            _ => {
                let values = a.1.iter().zip(&b.1).map(|(a, b)| a + b).collect();
                (Add.forward(rec, [&a.0, &b.0]).unwrap().0, values)
            }
        };
        if draw.below(5) == 0 {
            rec.keep(&made.0.data);
            kept.push(made.clone());
        }
        known.push(made);
    }
    kept
}

#[test]
fn a_random_recording_gives_what_the_host_computes() {
    for poison in [false, true] {
        let gpu = Gpu::open(DeviceOptions { poison, ..DeviceOptions::default() }).unwrap();
        for seed in 0..20 {
            let rec = Recording::new(&gpu);
            let kept = random(&rec, seed);
            let program = Program::new(rec).unwrap();
            // With poison nothing shares memory, which is its point.
            if !poison {
                check(&program);
            }
            for run in 0..2 {
                program.run();
                for (i, (tensor, wanted)) in kept.iter().enumerate() {
                    let found: Vec<f32> =
                        tensor.read(&program).unwrap().data.iter().map(|v| *v as f32).collect();
                    assert!(found == *wanted, "tensor {i} of recording {seed}, run {run}");
                }
            }
        }
    }
}

#[test]
fn programs_that_share_arenas_do_not_disturb_each_other() {
    let gpu = open();
    let (recordings, kept): (Vec<_>, Vec<_>) = (0..4)
        .map(|seed| {
            let rec = Recording::new(&gpu);
            let kept = random(&rec, 100 + seed);
            (rec, kept)
        })
        .unzip();
    let before = gpu.counters().buffer_bytes;
    let programs = Program::share(recordings).unwrap();
    let taken = gpu.counters().buffer_bytes - before;
    let alone = |p: &Program| p.plan().bytes();
    let all: u64 = programs.iter().map(alone).sum();
    assert!(taken > 0 && taken < all as i64, "{taken} bytes of arenas for programs of {all}");
    for _ in 0..2 {
        for (program, kept) in programs.iter().zip(&kept) {
            program.run();
            for (tensor, wanted) in kept {
                let found = tensor.read(program).unwrap();
                assert!(found.data.iter().zip(wanted).all(|(f, w)| *f as f32 == *w));
            }
        }
    }
}
