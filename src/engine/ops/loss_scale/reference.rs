//! Reference of loss scaling, on the host in f64.

use super::LossScale;

/// State of the loss scale: the scale, good steps in a row and steps skipped.
pub(super) type ScaleState = (f64, u32, u32);

impl LossScale {
    /// Gradients divided by the scale, whether weights move, and the scale after the step.
    pub(super) fn reference(
        &self,
        g: &[f64],
        (scale, good, skipped): ScaleState,
    ) -> (Vec<f64>, bool, ScaleState) {
        let g: Vec<f64> = g.iter().map(|v| v / scale).collect();
        let finite = g.iter().all(|v| v.is_finite());
        let next = match (finite, good + 1 >= self.growth) {
            (false, _) => (scale / 2.0, 0, skipped + 1),
            (true, true) => (scale * 2.0, 0, skipped),
            (true, false) => (scale, good + 1, skipped),
        };
        (g, finite, next)
    }
}
