//! Reference of the intersection over union of boxes, on the host in f64.

use super::BoxIou;
use crate::tensor::Array;

impl BoxIou {
    /// Intersections over union on the host in f64.
    pub fn reference(&self, a: &Array, b: &Array) -> Array {
        let (n, [r, m]) = (a.shape[1], [b.shape[0], b.shape[1]]);
        let mut y = Array::zeros(&[r, n, m]);
        for (i, share) in y.data.iter_mut().enumerate() {
            let of_a = (i / m) % (a.shape[0] * n);
            let of_b = i / m / n * m + i % m;
            *share = iou(&a.data[4 * of_a..][..4], &b.data[4 * of_b..][..4]);
        }
        y
    }
}

/// Intersection over union of two boxes.
pub fn iou(a: &[f64], b: &[f64]) -> f64 {
    let area = |b: &[f64]| (b[2] - b[0]) * (b[3] - b[1]);
    let side = |i: usize| (a[2 + i].min(b[2 + i]) - a[i].max(b[i])).max(0.0);
    let both = side(0) * side(1);
    if both > 0.0 { both / (area(a) + area(b) - both) } else { 0.0 }
}
