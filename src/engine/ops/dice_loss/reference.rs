//! Reference of the Dice loss, on the host in f64.

use super::{Classes, DiceLoss, Reduce};
use crate::{ops::Reference, tensor::Array};

impl Reference<2> for DiceLoss {
    fn reference(&self, [x, t]: [&Array; 2]) -> Array {
        let of_item = match self.reduce {
            Reduce::Image => x.data.len() / x.shape[0],
            Reduce::Batch => x.data.len(),
        };
        let (smooth, mut losses) = (f64::from(self.smooth), Vec::new());
        for (x, t) in x.data.chunks(of_item).zip(t.data.chunks(of_item)) {
            let mut class = |sign: f64, of: fn(f64) -> f64| {
                let (mut over, mut under) = (smooth, smooth);
                for (x, t) in x.iter().zip(t) {
                    let (p, t) = (1.0 / (1.0 + (-sign * x).exp()), of(*t));
                    over += 2.0 * p * t;
                    under += p + t;
                }
                losses.push(1.0 - over / under);
            };
            class(1.0, |t| t);
            if self.classes == Classes::All {
                class(-1.0, |t| 1.0 - t);
            }
        }
        Array::new(&[1], vec![losses.iter().sum::<f64>() / losses.len() as f64])
    }
}
