//! Reference of max pooling, on the host in f64.

use super::MaxPool2d;
use crate::{ops::Reference, tensor::Array};

impl Reference<1> for MaxPool2d {
    fn reference(&self, [x]: [&Array; 1]) -> Array {
        let [n, h, w, c] = x.shape[..] else { panic!("an image has four axes") };
        let [p, q] = self.output([h, w]).expect("the window fits");
        let mut y = Array::new(&[n, p, q, c], vec![f64::NEG_INFINITY; n * p * q * c]);
        for (at, v) in y.data.iter_mut().enumerate() {
            let (i, row, column, channel) = (at / c / q / p, at / c / q % p, at / c % q, at % c);
            for r in 0..self.kernel[0] {
                for s in 0..self.kernel[1] {
                    let top = (row * self.stride[0] + r).checked_sub(self.padding[0]);
                    let left = (column * self.stride[1] + s).checked_sub(self.padding[1]);
                    if let (Some(top), Some(left)) = (top, left)
                        && top < h
                        && left < w
                    {
                        *v = v.max(x.data[((i * h + top) * w + left) * c + channel]);
                    }
                }
            }
        }
        y
    }
}
