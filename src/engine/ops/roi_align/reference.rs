//! Reference of RoIAlign, on the host in f64.

use super::RoiAlign;
use crate::{ops::Reference, tensor::Array};

impl<const N: usize> Reference<N> for RoiAlign {
    fn reference(&self, x: [&Array; N]) -> Array {
        let (rois, levels) = (x[N - 2], x[N - 1]);
        let ([p, q], c) = (self.output, x[0].shape[3]);
        let mut y = Array::zeros(&[levels.data.len(), p, q, c]);
        for (i, v) in y.data.iter_mut().enumerate() {
            let (r, bin, channel) = (i / c / q / p, [i / c / q % p, i / c % q], i % c);
            let level = levels.data[r];
            if level >= 0.0 && level < self.scales.len() as f64 {
                let roi = &rois.data[4 * r..][..4];
                let place = [r / rois.shape[1], channel];
                *v = self.bin(x[level as usize], self.scales[level as usize], place, roi, bin);
            }
        }
        y
    }
}

impl RoiAlign {
    /// The mean of one bin's samples of one channel.
    fn bin(
        &self,
        map: &Array,
        scale: f32,
        [n, channel]: [usize; 2],
        roi: &[f64],
        bin: [usize; 2],
    ) -> f64 {
        let [_, h, w, c] = map.shape[..] else { panic!("a map has four axes") };
        let pixel = |row: f64, column: f64| {
            map.data[((n * h + row as usize) * w + column as usize) * c + channel]
        };
        // Along y, then x: where the bin begins, how long it is, how many samples it has.
        let axis = |a: usize| {
            let shift = if self.aligned { 0.5 } else { 0.0 };
            let [begin, end] = [roi[1 - a], roi[3 - a]].map(|v| v * f64::from(scale) - shift);
            let least = if self.aligned { 0.0 } else { 1.0 };
            let size = (end - begin).max(least) / self.output[a] as f64;
            let ratio = self.sampling_ratio;
            let samples = if ratio == 0 { size.ceil() as usize } else { ratio };
            (begin + bin[a] as f64 * size, size, samples)
        };
        let ((top, tall, rows), (left, wide, columns)) = (axis(0), axis(1));
        let mut sum = 0.0;
        for i in 0..rows * columns {
            let y = top + ((i / columns) as f64 + 0.5) * tall / rows as f64;
            let x = left + ((i % columns) as f64 + 0.5) * wide / columns as f64;
            if y < -1.0 || x < -1.0 || y > h as f64 || x > w as f64 {
                continue;
            }
            let (y, x) = (y.clamp(0.0, h as f64 - 1.0), x.clamp(0.0, w as f64 - 1.0));
            let (below, right) =
                ((y.floor() + 1.0).min(h as f64 - 1.0), (x.floor() + 1.0).min(w as f64 - 1.0));
            let (dy, dx) = (y - y.floor(), x - x.floor());
            sum += (1.0 - dy) * ((1.0 - dx) * pixel(y, x) + dx * pixel(y, right))
                + dy * ((1.0 - dx) * pixel(below, x) + dx * pixel(below, right));
        }
        sum / (rows * columns).max(1) as f64
    }
}
