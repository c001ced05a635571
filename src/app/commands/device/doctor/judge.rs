//! Whether the ops are right on an adapter.

use super::{SEEDS, Verdict};
use crate::Error;
use mtpret_engine::{
    gpu::{Gpu, Variant},
    ops::{Case, Suite},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs an op's cases in every variant on two devices of one adapter: checks off, checks on.
pub(super) fn judge(suite: &'static Suite, gpus: &[Gpu; 2]) -> Verdict {
    let cases = (suite.cases)();
    let variants = suite.signature.offered(gpus[0].caps());
    let mut verdict = Verdict {
        op: suite.name,
        usable: variants.clone(),
        variants,
        cases: cases.len(),
        checks: 0,
        worst: 0.0,
        faults: vec![],
        refused: vec![],
    };
    for case in &cases {
        for variant in verdict.variants.clone() {
            for (gpu, (checked, seed)) in gpus.iter().zip(SEEDS) {
                verdict.checks += 1;
                match check(case, gpu, variant, seed) {
                    Ok((worst, faults)) => {
                        verdict.worst = verdict.worst.max(worst);
                        let checks = if checked { "on" } else { "off" };
                        if !faults.is_empty() {
                            verdict.usable.retain(|usable| *usable != variant);
                        }
                        verdict.faults.extend(faults.iter().map(|fault| {
                            let (op, why) = (suite.name, &case.why);
                            format!("{op}/{variant}, {why}, checks {checks}: {fault}")
                        }));
                    }
                    Err(why) => {
                        verdict.usable.retain(|usable| *usable != variant);
                        if !verdict.refused.contains(&why) {
                            verdict.refused.push(why);
                        }
                    }
                }
            }
        }
    }
    if verdict.usable.is_empty() && verdict.faults.is_empty() {
        let fault = format!("{}: none of its kernels compiles in all cases", suite.name);
        verdict.faults.push(fault);
    }
    verdict
}

/// Runs a case: its worst error and its faults, of which a driver that stops is one; or why the adapter's compiler refuses it.
fn check(
    case: &Case,
    gpu: &Gpu,
    variant: Variant,
    seed: u64,
) -> std::result::Result<(f64, Vec<String>), String> {
    let stopped = |fault: String| Ok((f64::INFINITY, vec![fault]));
    match catch_unwind(AssertUnwindSafe(|| case.check(gpu, Some(variant), seed))) {
        Ok(Ok(report)) => Ok((report.worst(), report.faults())),
        Ok(Err(e @ Error::Shader { .. })) => Err(e.to_string()),
        Ok(Err(e)) => stopped(e.to_string()),
        Err(_) => stopped("the driver refused a command; see above".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtpret_engine::{gpu::DeviceOptions, ops::SUITES};

    #[test]
    fn a_kernel_that_the_compiler_refuses_is_listed_and_the_others_are_judged() {
        let open = |checked| {
            let options = DeviceOptions {
                checked,
                rewrite: Some(|name, _| match name.contains("subgroup") {
                    true => Err("error X3511: unable to unroll loop".into()),
                    false => Ok(None),
                }),
                ..DeviceOptions::default()
            };
            Gpu::open(options).expect("an adapter")
        };
        let suite = SUITES.iter().find(|suite| suite.name == "info_nce").expect("a listed op");
        let gpus = [open(false), open(true)];
        if suite.signature.offered(gpus[0].caps()).len() == 1 {
            return;
        }
        let verdict = judge(suite, &gpus);
        assert!(verdict.faults.is_empty(), "{:?}", verdict.faults);
        assert_eq!(verdict.usable, [Variant::Plain]);
        let refused = verdict.refused.join("\n");
        for word in ["subgroup", "does not compile it", "X3511", &gpus[0].described()] {
            assert!(refused.contains(word), "{word}: {refused}");
        }
    }
}
