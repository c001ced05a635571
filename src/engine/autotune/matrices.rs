//! Whether the kernels that multiply matrices are right on an adapter, asked once under each driver; and what they bring.

use super::cache;
use crate::{
    Error, Result,
    gpu::{Gpu, Proof, Variant},
    ops::conv2d,
};

/// Lets recordings take the kernels that multiply matrices ([`Gpu::trust_matrices`]) where the adapter lists such and they were
/// found to be right under its driver; where they were not, a line says so. With `ask`, where nobody has asked yet, a product
/// and a convolution with its gradients are compared with the f64 reference, and what comes of it is kept with the tuning.
///
/// # Errors
/// The device is lost, or the tuning file cannot be read or written.
pub fn prove(gpu: &Gpu, ask: bool) -> Result<()> {
    if !gpu.caps().matrices.any() {
        return Ok(());
    }
    let proof = match cache::measured(gpu)?.matrices {
        Some(proof) => proof,
        None if !ask => return Ok(()),
        None => {
            let proof = asked(gpu);
            let found = proof.as_ref().map_or_else(|e| Proof::Wrong(e.to_string()), Proof::clone);
            // A test that loses the device is not made again.
            cache::prove(gpu, found)?;
            proof?
        }
    };
    gpu.trust_matrices(proof == Proof::Right);
    if let (Proof::Wrong(why), true) = (proof, ask) {
        let mend = "run `mtpret doctor` and report it";
        gpu.note(format!("products of matrices are WRONG here and left out: {why}; {mend}"));
    }
    Ok(())
}

/// What a test of every kernel that multiplies matrices finds.
///
/// # Errors
/// The device is lost, or has no memory for it.
fn asked(gpu: &Gpu) -> Result<Proof> {
    let units = &gpu.caps().matrices;
    for half in [true, false].into_iter().filter(|half| units.side(*half).is_some()) {
        let cases = conv2d::cases_of_matrices(half);
        let variants = Variant::ALL.into_iter().filter(|variant| variant.is_of_matrices());
        for (case, variant) in variants.flat_map(|v| cases.iter().map(move |case| (case, v))) {
            let report = match case.check(gpu, Some(variant), 7) {
                Err(fault @ (Error::Lost(_) | Error::Memory(_))) => return Err(fault),
                Err(refused) => return Ok(Proof::Wrong(refused.to_string())),
                Ok(report) => report,
            };
            if let Some(fault) = report.faults().first() {
                return Ok(Proof::Wrong(format!("{}: {fault}", case.why)));
            }
        }
    }
    Ok(Proof::Right)
}

/// What a person should know who trains in f32 on an adapter that multiplies matrices of f16: that it does, and, of shapes that
/// were measured in both, the share of f32's time that f16 takes. `None` where it does not, or is no GPU.
///
/// # Errors
/// The tuning file cannot be read.
pub fn brings(gpu: &Gpu) -> Result<Option<String>> {
    let caps = gpu.caps();
    let Some(side) = caps.matrices.f16.filter(|_| !caps.software) else { return Ok(None) };
    let tuning = cache::measured(gpu)?;
    let what = format!("multiplies matrices of {side} × {side} f16 at once");
    if let Some(Proof::Wrong(_)) = tuning.matrices {
        return Ok(Some(format!("{what}, but wrongly: f16 goes without")));
    }
    let best = |name: &str| {
        let tuned = tuning.problems.get(name)?;
        tuned.ms.get(&tuned.kernel).copied()
    };
    let both = tuning.problems.keys().filter_map(|name| {
        let whole = best(name.strip_suffix(HALF)?)?;
        Some((best(name)?, whole))
    });
    let (count, half, whole) =
        both.fold((0, 0.0, 0.0), |(n, half, whole), (h, w)| (n + 1, half + h, whole + w));
    let measured = match count {
        0 => "`mtpret tune` measures what it brings".to_owned(),
        _ => format!("{count} shapes that were measured take {:.2} of the time", half / whole),
    };
    Ok(Some(format!("{what}, which f16 takes: {measured}")))
}

/// What ends the name of a problem whose features are f16, which that in f32 has not.
const HALF: &str = ", f16";
