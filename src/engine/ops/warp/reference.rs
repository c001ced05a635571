//! Reference of the augmentation of images, on the host in f64.

use super::Warp;
use crate::tensor::{Array, Step};

impl Warp {
    /// The views of pixels `[N·H·W]` on the host in f64, with the random numbers of `step`.
    pub fn reference(&self, pixels: &Array, [n, h, w]: [usize; 3], step: &Step) -> Array {
        let mut y = Array::zeros(&[n, h, w, 3]);
        for (i, out) in y.data.chunks_mut(3).enumerate() {
            let (sample, row, column) = (i / (h * w), i / w % h, i % w);
            let image = &pixels.data[sample * h * w..][..h * w];
            let at = self.seen(step, sample, [h, w], [row, column]);
            let v = bilinear(image, [h, w], at);
            out.fill((v - f64::from(self.mean)) / f64::from(self.std));
        }
        y
    }
    /// Place (x, y) of an image that the view shows at a pixel.
    fn seen(
        &self,
        step: &Step,
        sample: usize,
        [h, w]: [usize; 2],
        [row, column]: [usize; 2],
    ) -> [f64; 2] {
        let view = self.draw(step, sample as u32);
        let [side, turns, right, down] =
            [view.side, view.turns, view.right, view.down].map(f64::from);
        // Back along the shift, the rotation and the flip. Rows grow downward, so that this is
        // clockwise, and the image turns counter-clockwise.
        let centre = [(w as f64 - 1.0) / 2.0, (h as f64 - 1.0) / 2.0];
        let x = column as f64 - centre[0] - right * w as f64;
        let y = row as f64 - centre[1] - down * h as f64;
        let (sin, cos) = (turns * std::f64::consts::TAU).sin_cos();
        [centre[0] + side * (cos * x - sin * y), centre[1] + sin * x + cos * y]
    }
    /// The masks `[N·H·W]` in the view, `[N, H, W, 1]`, and how far from halfway between two pixels each
    /// place is that was looked at.
    pub fn mask_reference(&self, mask: &Array, [n, h, w]: [usize; 3], step: &Step) -> [Array; 2] {
        let mut out = [Array::zeros(&[n, h, w, 1]), Array::zeros(&[n, h, w, 1])];
        for i in 0..n * h * w {
            let at = self.seen(step, i / (h * w), [h, w], [i / w % h, i % w]);
            let [x, y] = at.map(|v| (v + 0.5).floor());
            if x >= 0.0 && y >= 0.0 && x < w as f64 && y < h as f64 {
                out[0].data[i] = mask.data[i / (h * w) * h * w + y as usize * w + x as usize];
            }
            let margin = at.map(|v| (v + 0.5 - (v + 0.5).round()).abs());
            out[1].data[i] = margin[0].min(margin[1]);
        }
        out
    }
    /// The boxes `[N, G·5]` in the view: corners `[N, G, 4]` of all that are there, clipped.
    pub fn boxes_reference(&self, boxes: &Array, [n, h, w]: [usize; 3], step: &Step) -> Array {
        let count = boxes.shape[1] / 5;
        let mut corners = Array::zeros(&[n, count, 4]);
        for (i, hull) in corners.data.chunks_mut(4).enumerate() {
            let view = self.draw(step, (i / count) as u32);
            let (sin, cos) = (f64::from(view.turns) * std::f64::consts::TAU).sin_cos();
            let size = [w as f64, h as f64];
            let shift = [f64::from(view.right) * size[0], f64::from(view.down) * size[1]];
            [hull[0], hull[1], hull[2], hull[3]] = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
            for corner in [[0, 1], [2, 1], [0, 3], [2, 3]] {
                let point = corner.map(|c| boxes.data[5 * i + c]);
                let x = f64::from(view.side) * (point[0] - size[0] / 2.0);
                let y = point[1] - size[1] / 2.0;
                let moved = [cos * x + sin * y, cos * y - sin * x];
                for a in 0..2 {
                    let v = (moved[a] + size[a] / 2.0 + shift[a]).clamp(0.0, size[a]);
                    hull[a] = hull[a].min(v);
                    hull[2 + a] = hull[2 + a].max(v);
                }
            }
        }
        corners
    }
}

/// The image's value at a point (x, y) between pixel centres; 0 outside.
fn bilinear(image: &[f64], [h, w]: [usize; 2], [x, y]: [f64; 2]) -> f64 {
    let pixel = |x: f64, y: f64| {
        let inside = x >= 0.0 && y >= 0.0 && x < w as f64 && y < h as f64;
        if inside { image[y as usize * w + x as usize] } else { 0.0 }
    };
    let (left, top) = (x.floor(), y.floor());
    let (right, below) = (x - left, y - top);
    (1.0 - below) * ((1.0 - right) * pixel(left, top) + right * pixel(left + 1.0, top))
        + below * ((1.0 - right) * pixel(left, top + 1.0) + right * pixel(left + 1.0, top + 1.0))
}
