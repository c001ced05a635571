//! `burn-step DEPTH BATCH SIZE STEPS` times ResNet training steps in burn and prints one JSON line.

mod resnet;

use std::time::Instant;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use resnet::ResNet;

const WARM_UP_STEPS: usize = 2;
const CLASSES: usize = 1000;

/// Progress goes to stderr with the time since the start, so a hang shows where it is.
fn note(start: Instant, text: impl std::fmt::Display) {
    eprintln!("[{:8.2}s] {text}", start.elapsed().as_secs_f64());
}

fn main() {
    env_logger::init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [depth, batch, size, steps] = &args[..] else {
        eprintln!("usage: burn-step DEPTH BATCH SIZE STEPS");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<usize>().expect("DEPTH BATCH SIZE STEPS are numbers");
    let (depth, batch, size, steps) = (number(depth), number(batch), number(size), number(steps));
    // With BURN_STEP_TRACE set, the first step waits after forward, backward and update separately.
    let trace = std::env::var_os("BURN_STEP_TRACE").is_some();

    let start = Instant::now();
    let device = Device::wgpu(Default::default()).autodiff();
    let wait = |stage: &str| {
        device.sync().expect("the device finishes its work");
        note(start, stage);
    };
    note(start, "device");
    let mut model = ResNet::new(depth, CLASSES, &device);
    let mut optim = SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9).with_dampening(0.0)))
        .init();
    let images =
        Tensor::<4>::random([batch, 3, size, size], Distribution::Normal(0.0, 1.0), &device);
    let labels: Vec<i32> = (0..batch).map(|i| (i * 37 % CLASSES) as i32).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), &device);
    let criterion = CrossEntropyLossConfig::new().init(&device);
    if trace {
        wait("model and data");
    }

    let mut seconds = Vec::new();
    let mut losses = Vec::new();
    for step in 0..WARM_UP_STEPS + steps {
        let begin = Instant::now();
        let logits = model.forward(images.clone());
        let loss = criterion.forward(logits, labels.clone());
        if trace && step == 0 {
            wait("forward");
        }
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        if trace && step == 0 {
            wait("backward");
        }
        model = optim.step(0.01, model, grads);
        // The loss alone does not depend on the update, so wait for the whole device as well.
        let value: f32 = loss.into_scalar();
        device.sync().expect("the device finishes its work");
        let elapsed = begin.elapsed().as_secs_f64();
        note(start, format_args!("step {step}: loss {value:.4}, {elapsed:.3} s"));
        losses.push(value);
        if step >= WARM_UP_STEPS {
            seconds.push(elapsed);
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    println!(
        "{{\"peer\":\"burn-0.22.1 wgpu\",\"model\":\"resnet{depth}\",\"batch\":{batch},\"size\":{size},\
         \"img_per_s\":{:.3},\"steps\":{steps},\"first_loss\":{:.4},\"last_loss\":{:.4}}}",
        batch as f64 / median,
        losses[0],
        losses[losses.len() - 1],
    );
}
