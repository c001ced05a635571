//! Resizing of films in f32, straight from the numbers of a file and without a rounding in between. Sums have a fixed
//! order and no step of theirs is fused, so that a film is the same bits on every machine.

use crate::data::Film;

impl Film {
    /// Resizes the film to `width` x `height` pixels by bilinear convolution, whose triangle widens
    /// with the reduction (PIL's `BILINEAR`, torchvision's `antialias=True`); the aspect is not
    /// kept.
    pub fn resize(&self, width: usize, height: usize) -> Film {
        let pixels = resized(&self.pixels, [self.width, self.height], [width, height]);
        Film { width, height, pixels }
    }
}

/// Resizes numbers of a film of `size` to `extent`, each once through `rounded`, in the top left corner of
/// `input` zeros.
pub(super) fn fitted<T: Copy + Into<f32>, U: Copy + Default>(
    numbers: &[T],
    size: [usize; 2],
    extent: [usize; 2],
    input: [usize; 2],
    rounded: impl Fn(f32) -> U,
) -> Vec<U> {
    let film = resized(numbers, size, extent).into_iter().map(rounded).collect();
    if extent == input {
        return film;
    }
    let mut pixels = vec![U::default(); input[0] * input[1]];
    for (to, from) in pixels.chunks_mut(input[0]).zip(film.chunks(extent[0])) {
        to[..extent[0]].copy_from_slice(from);
    }
    pixels
}

/// Resizes numbers of a film of `from` pixels, width and height, to `to` pixels, as [`Film::resize`]
/// has it.
fn resized<T: Copy + Into<f32>>(numbers: &[T], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    if from == to {
        return numbers.iter().map(|v| (*v).into()).collect();
    }
    let [across, down] = [0, 1].map(|axis| taps(from[axis], to[axis]));
    let mut out = Vec::with_capacity(to[0] * to[1]);
    let mut row = vec![0.0; from[0]];
    for Taps { first, weights } in &down {
        row.fill(0.0);
        for (at, weight) in (*first..).zip(weights) {
            let there = &numbers[at * from[0]..][..from[0]];
            row.iter_mut().zip(there).for_each(|(sum, v)| *sum += weight * (*v).into());
        }
        out.extend(across.iter().map(|Taps { first, weights }| {
            weights.iter().zip(&row[*first..]).map(|(weight, v)| weight * v).sum::<f32>()
        }));
    }
    out
}

/// Taps of a pixel along an axis: pixels from `first` on, with weights whose sum is 1.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// The taps of each of `to` pixels made of `from`: a triangle around the pixel's centre that reaches as far as the next
/// centre of the coarser of the two.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let of = |pixel: usize| {
        let centre = (pixel as f64 + 0.5) * scale;
        let weight = |at: usize| 1.0 - (at as f64 + 0.5 - centre).abs() / reach;
        let first = (centre - reach).max(0.0) as usize;
        let end = ((centre + reach).ceil() as usize).min(from);
        let inside: Vec<usize> = (first..end).filter(|at| weight(*at) > 0.0).collect();
        let sum: f64 = inside.iter().map(|at| weight(*at)).sum();
        let weights = inside.iter().map(|at| (weight(*at) / sum) as f32).collect();
        Taps { first: inside.first().copied().unwrap_or(0), weights }
    };
    (0..to).map(of).collect()
}
