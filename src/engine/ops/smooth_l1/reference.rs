//! Reference of the smooth L1 loss, on the host in f64.

use super::SmoothL1;
use crate::{ops::Reference, tensor::Array};

impl Reference<3> for SmoothL1 {
    fn reference(&self, [x, t, w]: [&Array; 3]) -> Array {
        let (beta, channels) = (f64::from(self.beta), x.data.len() / w.data.len());
        let mut loss = 0.0;
        for (i, w) in w.data.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            for at in i * channels..(i + 1) * channels {
                let d = (x.data[at] - t.data[at]).abs();
                loss += w * if d < beta { d * d / (2.0 * beta) } else { d - beta / 2.0 };
            }
        }
        Array::new(&[1], vec![loss])
    }
}
