//! Submission of a program's commands to the device: cut by what they take, with no wait for what was submitted last.

use super::open;
use mtpret_engine::{
    gpu::{DeviceOptions, Gpu, Program, Recording, Room, Upload},
    ops::{Op, add::Add, conv2d::Conv2d},
    tensor::{Array, Tensor},
};

/// Products of 256 × 256 matrices, one after another.
fn products(gpu: &Gpu, count: usize) -> Program {
    let [x, w] = [[256, 1, 1, 256], [1, 1, 256, 256]]
        .map(|shape| Tensor::upload(gpu, &Array::random(&shape, 1).map(|v| v / 256.0)).unwrap());
    let rec = Recording::new(gpu);
    let mut last = x;
    for _ in 0..count {
        last = Conv2d::new(1, 0).forward(&rec, &last, &w, None).unwrap();
    }
    rec.keep(&last.data);
    Program::new(rec).unwrap()
}

fn submissions(gpu: &Gpu, work: impl FnOnce()) -> u64 {
    let before = gpu.counters().submissions;
    work();
    gpu.counters().submissions - before
}

#[test]
fn a_long_program_is_cut_by_what_it_takes_and_a_short_one_is_not() {
    let gpu = open();
    // By its operations one submission, and longer than one shall last on any adapter that runs on a CPU.
    let long = products(&gpu, 100);
    assert_eq!(submissions(&gpu, || long.run()), 1);
    long.run();
    let third = submissions(&gpu, || long.run());
    gpu.wait().unwrap();
    assert!(!gpu.caps().software || third > 1, "{third} submissions");

    let rec = Recording::new(&gpu);
    let x = Tensor::upload(&gpu, &Array::random(&[64, 64], 1)).unwrap();
    let mut sum = x.clone();
    for _ in 0..50 {
        (sum, _) = Add.forward(&rec, [&sum, &x]).unwrap();
    }
    let short = Program::new(rec).unwrap();
    (0..2).for_each(|_| short.run());
    assert_eq!(submissions(&gpu, || short.run()), 1);
}

#[test]
fn steps_that_are_uploaded_and_run_wait_for_nothing_that_was_submitted_after() {
    let gpu = open();
    let program = products(&gpu, 4);
    let to = gpu.alloc(1 << 20).unwrap();
    let mut upload = Upload::new(&gpu, to.bytes).unwrap();
    let bytes = vec![1u8; to.bytes as usize];
    let before = gpu.counters().drains;
    for _ in 0..6 {
        let write = |mut room: Room| {
            room.copy_from_slice(&bytes);
            Ok(bytes.len())
        };
        upload.send(&to, write).unwrap();
        program.run();
    }
    assert_eq!(gpu.counters().drains, before);
    gpu.wait().unwrap();
    assert_eq!(gpu.counters().drains, before + 1);
}

#[test]
fn a_profile_adds_up_to_about_what_the_program_takes() {
    let gpu = Gpu::open(DeviceOptions::default()).unwrap();
    let program = products(&gpu, 20);
    (0..2).for_each(|_| program.run());
    let least = |of: &dyn Fn() -> f64| (0..5).map(|_| of()).fold(f64::INFINITY, f64::min);
    let whole = least(&|| program.seconds().unwrap());
    let parts = least(&|| program.profile().unwrap().iter().map(|t| t.as_secs_f64()).sum());
    assert!((0.5..2.0).contains(&(parts / whole)), "{parts} s in parts, {whole} s as a whole");
    let times = program.profile().unwrap();
    assert_eq!(times.len(), program.commands().len());
    assert!(times.iter().all(|t| !t.is_zero()), "{times:?}");
}
