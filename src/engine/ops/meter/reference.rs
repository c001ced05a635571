//! Reference of the loss meter, on the host in f64.

use super::PARTS;

/// Contents that [`super::Meter`] shall have, its sums in f64.
#[derive(Debug, Default)]
pub(super) struct Metered {
    pub(super) sum: f64,
    pub(super) count: u32,
    pub(super) fault: u32,
    pub(super) last: f64,
    pub(super) parts: [f64; PARTS],
}

/// The meter after these parts of losses, so many of them in each step, on the host.
pub(super) fn metered(losses: &[f32], parts: usize) -> Metered {
    let mut meter = Metered::default();
    for (step, loss) in (1..).zip(losses.chunks(parts)) {
        let sum: f64 = loss.iter().map(|part| f64::from(*part)).sum();
        // One beyond the numbers of f32 is infinite.
        meter.last = if (sum as f32).is_finite() { sum } else { f64::from(sum as f32) };
        if loss.iter().all(|part| part.is_finite()) && meter.last.is_finite() {
            meter.sum += meter.last;
            meter.count += 1;
            meter.parts.iter_mut().zip(loss).for_each(|(sum, part)| *sum += f64::from(*part));
        } else if meter.fault == 0 {
            meter.fault = step;
        }
    }
    meter
}
