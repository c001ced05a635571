//! Every op on a ResNet-18's shapes, in every variant: a launch and the wait for it.

use criterion::{Criterion, criterion_group, criterion_main};
use mtpret_engine::gpu::{DeviceOptions, Gpu, Program, Recording};
use mtpret_pipeline::train::estimate;
use std::time::Duration;

fn kernels(criterion: &mut Criterion) {
    let gpu = Gpu::open(DeviceOptions::default()).expect("an adapter");
    for kernel in estimate::kernels::resnet18(&gpu).expect("memory for the tensors") {
        let mut group = criterion.benchmark_group(format!("{} {}", kernel.op, kernel.pass));
        for variant in kernel.variants(&gpu).expect("a kernel is recorded") {
            let mut rec = Recording::new(&gpu);
            rec.variant = Some(variant);
            (kernel.record)(&rec).expect("a kernel is recorded");
            let program = Program::new(rec).expect("its kernels compile");
            group.bench_function(format!("{} {variant}", kernel.shape), |bencher| {
                bencher.iter(|| {
                    program.run();
                    gpu.wait().expect("the device answers");
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300));
    targets = kernels
}
criterion_main!(benches);
