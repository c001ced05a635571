//! Reference of the sampling of boxes, on the host in f64.

use super::SampleBoxes;
use crate::tensor::{Array, Philox, Step};

impl SampleBoxes {
    /// Draws from matches `[N, A]` with the random numbers of `step`: chosen `[N, A]` and places
    /// `[N, size]`, on the host.
    pub fn reference(&self, matches: &Array, step: &Step) -> [Array; 2] {
        let [n, boxes] = [matches.shape[0], matches.shape[1]];
        let mut chosen = Array::new(&[n, boxes], vec![-1.0; n * boxes]);
        let mut places = Array::new(&[n, self.size], vec![-1.0; n * self.size]);
        for image in 0..n {
            let key = |i: usize| {
                let word = self.first_word(image as u32);
                let counter = [step.step, (i / 4) as u32, step.stage, word];
                Philox::block(step.key(), counter)[i % 4]
            };
            let drawn = |kind: fn(f64) -> bool, most: usize| {
                let of_image = (0..boxes).filter(|i| kind(matches.data[image * boxes + i]));
                let mut all: Vec<usize> = of_image.collect();
                all.sort_by_key(|i| (key(*i), *i));
                all.truncate(most);
                all
            };
            let matched = drawn(|m| m >= 0.0, self.positives.min(self.size));
            let background = drawn(|m| m == -1.0, self.size - matched.len());
            matched.iter().for_each(|i| chosen.data[image * boxes + i] = 1.0);
            background.iter().for_each(|i| chosen.data[image * boxes + i] = 0.0);
            let mut all = [matched, background].concat();
            all.sort_unstable();
            for (j, i) in all.into_iter().enumerate() {
                places.data[image * self.size + j] = i as f64;
            }
        }
        [chosen, places]
    }
}
