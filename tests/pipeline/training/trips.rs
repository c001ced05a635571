//! No launch of a training step walks far with one thread, however large its films and its batch.

use mtpret_engine::{
    gpu::{Command, DeviceOptions, Gpu},
    step::StepOptions,
};
use mtpret_pipeline::train::{Device, estimate::synthetic::SyntheticStep};
use std::collections::BTreeMap;

/// Trips that no thread exceeds.
const MOST: u64 = 256;

/// Launches whose trips grow with something else: sums over the channels and taps of products and convolutions, and over the
/// keys of a queue; the boxes that non-maximum suppression looks at one after another; the bins of rois that reach a pixel.
fn is_free(kernel: &str) -> bool {
    let products = ["conv2d/plain", "conv2d/subgroup", "conv2d/shared", "conv2d/coop"];
    let of_weights = kernel.starts_with("conv2d/weight_");
    let of_queue = kernel.starts_with("info_nce/");
    products.contains(&kernel)
        || of_weights
        || of_queue
        || ["nms/scan", "roi_align/backward"].contains(&kernel)
}

#[test]
fn no_thread_of_any_step_makes_more_than_256_trips_that_grow_with_the_batch() {
    let options = DeviceOptions { most_bound: Some(1 << 31), ..DeviceOptions::default() };
    let gpu = Device { gpu: Gpu::open(options).unwrap(), step: StepOptions::default() };
    let heads = ["", "moco_", "deeplabv3_", "fasterrcnn_"];
    let mut worst: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    for (head, depth) in heads.iter().flat_map(|h| [18, 50].map(|depth| (h, depth))) {
        let neck = if *head == "fasterrcnn_" { "_fpn" } else { "" };
        let name = format!("{head}resnet{depth}{neck}");
        for (batch, size) in [(64, [224, 224]), (8, [800, 500])] {
            let commands = SyntheticStep::recorded(&gpu, &name, batch, size).unwrap();
            for command in &commands {
                let Command::Launch(launch) = command else { continue };
                let at = format!("{name}, {batch} × {size:?}, {}", launch.cost.shape);
                let known = worst.entry(launch.source.name).or_default();
                if launch.cost.trips >= known.0 {
                    *known = (launch.cost.trips, at);
                }
            }
        }
    }
    assert!(worst["batch_norm/merge"].0 > 1, "nothing was walked");
    let beyond = worst.iter().filter(|(kernel, (trips, _))| *trips > MOST && !is_free(kernel));
    let beyond: Vec<_> = beyond.collect();
    assert!(beyond.is_empty(), "{beyond:#?}");
}
