//! Training steps of ResNets, as `mtpret bench step` measures them.

use criterion::{Criterion, criterion_group, criterion_main};
use mtpret_engine::{
    gpu::{DeviceOptions, Gpu},
    step::StepOptions,
};
use mtpret_pipeline::train::{Device, estimate::synthetic::SyntheticStep};
use std::time::Duration;

/// Films of a batch and their side.
const BATCH: usize = 8;
const SIDE: usize = 64;

fn step(criterion: &mut Criterion) {
    let gpu = Gpu::open(DeviceOptions::default()).expect("an adapter");
    let gpu = Device { gpu, step: StepOptions::default() };
    let mut group = criterion.benchmark_group("step");
    for name in ["resnet18", "resnet50"] {
        let mut work =
            SyntheticStep::new(&gpu, name, BATCH, [SIDE; 2]).expect("a step is recorded");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                work.run(0).expect("a step runs");
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
