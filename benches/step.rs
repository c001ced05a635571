//! Training steps of ResNets, as `mtpret bench step` measures them.

use criterion::{Criterion, criterion_group, criterion_main};
use mtpret::{
    cli::problems::classify,
    gpu::{Choice, Gpu},
    models::Depth,
    tensor::Step,
};
use std::time::Duration;

/// Films of a batch and their side.
const BATCH: usize = 8;
const SIDE: usize = 64;

fn step(criterion: &mut Criterion) {
    let gpu = Gpu::open(Choice::default()).expect("an adapter");
    let pixels: Vec<f32> = (0..BATCH * SIDE * SIDE).map(|i| (i % 256) as f32).collect();
    let targets: Vec<f32> = (0..BATCH).map(|i| i as f32).collect();
    let mut group = criterion.benchmark_group("step");
    for (name, depth) in [("resnet18", Depth::R18), ("resnet50", Depth::R50)] {
        let mut stepper = classify(&gpu, depth, BATCH, SIDE).expect("a step is recorded");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let now = Step { lr: 0.01, ..Step::default() };
                stepper.run(&now, &pixels, &targets, &[]).expect("a step runs");
                gpu.wait().expect("the device answers");
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = step
}
criterion_main!(benches);
