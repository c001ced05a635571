//! Reference of resizing, on the host in f64.

use super::{Interpolation, Resize};
use crate::{ops::Reference, tensor::Array};

impl Resize {
    /// The two pixels of an axis that output `at` lies between, and the share of the second.
    fn between(&self, at: usize, pixels: usize, outputs: usize) -> (usize, usize, f64) {
        let (at, scale) = (at as f64, pixels as f64 / outputs as f64);
        let place = match self.mode {
            Interpolation::Nearest => return (at as usize * pixels / outputs, 0, 0.0),
            Interpolation::Bilinear { align_corners: true } => {
                at * (pixels as f64 - 1.0) / f64::max(1.0, outputs as f64 - 1.0)
            }
            Interpolation::Bilinear { align_corners: false } => ((at + 0.5) * scale - 0.5).max(0.0),
        };
        // A place may be rounded to just beyond the last pixel.
        let first = (place as usize).min(pixels - 1);
        (first, (first + 1).min(pixels - 1), place - first as f64)
    }
}

impl Reference<1> for Resize {
    fn reference(&self, [x]: [&Array; 1]) -> Array {
        let [n, h, w, c] = x.shape[..] else { panic!("an image has four axes") };
        let [p, q] = self.size;
        let mut y = Array::zeros(&[n, p, q, c]);
        for (at, v) in y.data.iter_mut().enumerate() {
            let (i, row, column, channel) = (at / c / q / p, at / c / q % p, at / c % q, at % c);
            let pixel =
                |h_at: usize, w_at: usize| x.data[((i * h + h_at) * w + w_at) * c + channel];
            let (top, bottom, lower) = self.between(row, h, p);
            let (left, right, later) = self.between(column, w, q);
            *v = (1.0 - lower) * ((1.0 - later) * pixel(top, left) + later * pixel(top, right))
                + lower * ((1.0 - later) * pixel(bottom, left) + later * pixel(bottom, right));
        }
        y
    }
}
