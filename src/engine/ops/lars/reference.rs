//! Reference of the LARS update, on the host in f64.

use super::Lars;
use crate::tensor::Array;

impl Lars {
    /// The new w and v of one tensor on the host in f64.
    pub fn reference(&self, lr: f32, [w, g, v]: [&Array; 3]) -> [Array; 2] {
        let [momentum, decay, trust, eps] =
            [self.momentum, self.decay, self.trust, self.eps].map(f64::from);
        let norm = |a: &Array| a.data.iter().map(|v| v * v).sum::<f64>().sqrt();
        let (of_w, of_g) = (norm(w), norm(g));
        let (rate, decay) = if of_w > 0.0 && of_g > 0.0 {
            (trust * of_w / (of_g + decay * of_w + eps), decay)
        } else {
            (1.0, 0.0)
        };
        let (mut new_w, mut new_v) = (w.clone(), v.clone());
        for (i, w) in w.data.iter().enumerate() {
            new_v.data[i] = momentum * v.data[i] + rate * (g.data[i] + decay * w);
            new_w.data[i] = w - f64::from(lr) * new_v.data[i];
        }
        [new_w, new_v]
    }
}
