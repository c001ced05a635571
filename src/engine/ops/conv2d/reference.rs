use super::op::Conv2d;
use crate::{ops::Reference, tensor::Array};

impl Conv2d {
    /// Its doc's equation, as loops.
    fn equation(&self, x: &Array, w: &Array, bias: Option<&Array>) -> Array {
        let ([n, h, width, c], [r, s, w_c, k]) = (axes(x), axes(w));
        let [p, q] = self.output([h, width], [r, s]).expect("a case's kernel fits its image");
        let mut y = Array::zeros(&[n, p, q, k]);
        for (row, out) in y.data.chunks_mut(k).enumerate() {
            let (i, at_h, at_w) = (row / (p * q), row / q % p, row % q);
            if let Some(bias) = bias {
                out.copy_from_slice(&bias.data);
            }
            for (tap_h, tap_w) in (0..r).flat_map(|a| (0..s).map(move |b| (a, b))) {
                let from_h = at_h * self.stride[0] + tap_h * self.dilation[0];
                let from_w = at_w * self.stride[1] + tap_w * self.dilation[1];
                let (Some(from_h), Some(from_w)) =
                    (from_h.checked_sub(self.padding[0]), from_w.checked_sub(self.padding[1]))
                else {
                    continue;
                };
                if from_h >= h || from_w >= width {
                    continue;
                }
                for channel in 0..c {
                    let v = x.data[((i * h + from_h) * width + from_w) * c + channel];
                    let weights = &w.data[((tap_h * s + tap_w) * w_c + channel) * k..][..k];
                    out.iter_mut().zip(weights).for_each(|(y, w)| *y += v * w);
                }
            }
        }
        y
    }
}

fn axes(a: &Array) -> [usize; 4] {
    a.shape[..].try_into().expect("four axes")
}

impl Reference<2> for Conv2d {
    fn reference(&self, [x, w]: [&Array; 2]) -> Array {
        self.equation(x, w, None)
    }
}

impl Reference<3> for Conv2d {
    fn reference(&self, [x, w, b]: [&Array; 3]) -> Array {
        self.equation(x, w, Some(b))
    }
}
