use super::Meter;

/// The meter after these losses, `per_step` of them in each step, on the host, and its sum in f64.
pub(super) fn metered(losses: &[f32], per_step: usize) -> (Meter, f64) {
    let mut meter = Meter::default();
    let mut sum = 0.0;
    for (i, loss) in losses.iter().enumerate() {
        meter.last = *loss;
        if loss.is_finite() {
            sum += f64::from(*loss);
            meter.count += 1;
        } else if meter.fault == 0 {
            meter.fault = (i / per_step) as u32 + 1;
        }
    }
    meter.sum = sum as f32;
    (meter, sum)
}
