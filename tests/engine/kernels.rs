//! Every op: its cases and random shapes against the f64 reference, gradients against the
//! reference's directional derivative, every variant, with the driver's checks on and off. Those of matrices that a subgroup
//! holds together multiply them by hand.

use mtpret_engine::{
    gpu::{DeviceOptions, Gpu, Matrices, Variant},
    ops::SUITES,
    tensor::Philox,
};

/// Random shapes of an op: 20, or as many as `MTPRET_SHAPES` says.
fn shapes() -> u64 {
    std::env::var("MTPRET_SHAPES").map_or(20, |text| text.parse().expect("a number of shapes"))
}

fn device(checked: bool) -> Gpu {
    let options = DeviceOptions {
        checked,
        poison: true,
        matrices: Matrices::ByHand,
        // Both ways to round to f16.
        halves_by_bits: checked,
        ..DeviceOptions::default()
    };
    Gpu::open(options).expect("an adapter")
}

fn check(op: &str) {
    let suite = SUITES.iter().find(|s| s.name == op).expect("a listed op");
    let (unchecked, checked) = (device(false), device(true));
    let variants = suite.signature.offered(unchecked.caps());
    let mut faults = Vec::new();
    let mut judge = |gpu: &Gpu, case: &mtpret_engine::ops::Case, variant: Variant, seed: u64| {
        let report = case.check(gpu, Some(variant), seed).expect("a case runs");
        for fault in report.faults() {
            faults.push(format!("{op}/{variant}, {} (seed {seed}): {fault}", case.why));
        }
    };
    for case in (suite.cases)() {
        for variant in &variants {
            judge(&unchecked, &case, *variant, 7);
            judge(&checked, &case, *variant, 8);
        }
    }
    let mut random = Philox::new(1, 0);
    for seed in 0..shapes() {
        let case = (suite.random)(&mut random);
        let variant = variants[seed as usize % variants.len()];
        judge(&unchecked, &case, variant, seed);
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

macro_rules! op_tests {
    ($($op:ident)+) => { $(
        mod $op {
            #[test]
            fn matches_its_reference_in_every_variant() {
                super::check(stringify!($op));
            }
        }
    )+ };
}
mtpret_engine::for_each_op!(op_tests);
