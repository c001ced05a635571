//! Reference of the SGD update, on the host in f64.

use super::Sgd;
use crate::tensor::Array;

impl Sgd {
    /// The new w and v on the host in f64.
    pub fn reference(&self, lr: f32, [w, g, v]: [&Array; 3], anchor: Option<&Array>) -> [Array; 2] {
        let [momentum, decay, alpha] = [self.momentum, self.decay, self.alpha].map(f64::from);
        let (mut new_w, mut new_v) = (w.clone(), v.clone());
        for (i, w) in w.data.iter().enumerate() {
            let pull = anchor.map_or(0.0, |anchor| alpha * (w - anchor.data[i]));
            new_v.data[i] = momentum * v.data[i] + g.data[i] + decay * w + pull;
            new_w.data[i] = w - f64::from(lr) * new_v.data[i];
        }
        [new_w, new_v]
    }
}
