//! Every op: its cases and random shapes against the f64 reference, gradients against the
//! reference's directional derivative, every variant, with the driver's checks on and off. Those of matrices that a subgroup
//! holds together multiply them by hand.

use mtpret_engine::{
    gpu::{DeviceOptions, Gpu, Matrices, Variant},
    ops::{Case, SUITES, conv2d::cases_of_matrices},
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
        // Both shapes of f16.
        matrices: Matrices::ByHand { side: if checked { 8 } else { 16 }, lanes: 32 },
        // Both ways to round to f16.
        halves_by_bits: checked,
        ..DeviceOptions::default()
    };
    Gpu::open(options).expect("an adapter")
}

/// Every case in every variant, with the driver's checks or, beside random shapes, without.
fn check(op: &str, checked: bool) {
    let suite = SUITES.iter().find(|s| s.name == op).expect("a listed op");
    let gpu = device(checked);
    let variants = suite.signature.offered(gpu.caps());
    let mut faults = Vec::new();
    let mut judge = |case: &Case, variant: Variant, seed: u64| {
        let report = case.check(&gpu, Some(variant), seed).expect("a case runs");
        for fault in report.faults() {
            faults.push(format!("{op}/{variant}, {} (seed {seed}): {fault}", case.why));
        }
    };
    for case in (suite.cases)() {
        variants.iter().for_each(|variant| judge(&case, *variant, 7 + u64::from(checked)));
    }
    let mut random = Philox::new(1, 0);
    for seed in 0..if checked { 0 } else { shapes() } {
        let case = (suite.random)(&mut random);
        judge(&case, variants[seed as usize % variants.len()], seed);
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

// Two tests, which run at the same time.
macro_rules! op_tests {
    ($($op:ident)+) => { $(
        mod $op {
            #[test]
            fn matches_its_reference_in_every_variant() {
                super::check(stringify!($op), false);
            }
            #[test]
            fn matches_its_reference_under_the_drivers_checks() {
                super::check(stringify!($op), true);
            }
        }
    )+ };
}
mtpret_engine::for_each_op!(op_tests);

#[test]
fn matrices_are_right_whatever_the_subgroups_are() {
    let mut faults = Vec::new();
    // Teams of 32 lanes where narrower ones were expected, so that they take blocks in rounds, and where wider ones were, so
    // that some only stage.
    for (side, lanes) in [(16, 8), (16, 64), (8, 16)] {
        let matrices = Matrices::ByHand { side, lanes };
        let options = DeviceOptions { matrices, poison: true, ..DeviceOptions::default() };
        let gpu = Gpu::open(options).expect("an adapter");
        for (case, variant) in
            cases_of_matrices(true).iter().zip([Variant::Coop, Variant::CoopWide])
        {
            let report = case.check(&gpu, Some(variant), 7).expect("a case runs");
            for fault in report.faults() {
                faults.push(format!("{side}, {lanes} lanes, {variant}, {}: {fault}", case.why));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}
