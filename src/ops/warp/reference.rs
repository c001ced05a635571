use super::Warp;
use crate::tensor::{Array, Step};

impl Warp {
    /// The views of pixels `[N·H·W]` on the host in f64, with the random numbers of `step`.
    pub fn reference(&self, pixels: &Array, [n, h, w]: [usize; 3], step: &Step) -> Array {
        let mut y = Array::zeros(&[n, h, w, 3]);
        for (i, out) in y.data.chunks_mut(3).enumerate() {
            let (sample, row, column) = (i / (h * w), i / w % h, i % w);
            let film = &pixels.data[sample * h * w..][..h * w];
            let view = self.draw(step, sample as u32);
            let [side, turns, right, down] =
                [view.side, view.turns, view.right, view.down].map(f64::from);
            // Back along the shift, the rotation and the flip. Rows grow downward, so that this is
            // clockwise, and the film turns counter-clockwise.
            let centre = [(w as f64 - 1.0) / 2.0, (h as f64 - 1.0) / 2.0];
            let x = column as f64 - centre[0] - right * w as f64;
            let y = row as f64 - centre[1] - down * h as f64;
            let (sin, cos) = (turns * std::f64::consts::TAU).sin_cos();
            let at = [centre[0] + side * (cos * x - sin * y), centre[1] + sin * x + cos * y];
            let v = bilinear(film, [h, w], at);
            out.fill((v - f64::from(self.mean)) / f64::from(self.std));
        }
        y
    }
}

/// The film's value at a point (x, y) between pixel centres; 0 outside.
fn bilinear(film: &[f64], [h, w]: [usize; 2], [x, y]: [f64; 2]) -> f64 {
    let pixel = |x: f64, y: f64| {
        let inside = x >= 0.0 && y >= 0.0 && x < w as f64 && y < h as f64;
        if inside { film[y as usize * w + x as usize] } else { 0.0 }
    };
    let (left, top) = (x.floor(), y.floor());
    let (right, below) = (x - left, y - top);
    (1.0 - below) * ((1.0 - right) * pixel(left, top) + right * pixel(left + 1.0, top))
        + below * ((1.0 - right) * pixel(left, top + 1.0) + right * pixel(left + 1.0, top + 1.0))
}
