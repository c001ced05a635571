//! Batches: films that enter a step together.

use std::sync::Arc;

use mtpret_engine::step::Samples::{self, Numbers};

use crate::data::{Annotation, FittedFilm, Sample, annotation::box_row};

/// Films that enter a step together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of the step, counted from 0 over epochs.
    pub step: u64,
    /// Number of the epoch, `step / epoch_len`.
    pub epoch: u64,
    /// Numbers of the films among the loader's samples.
    pub indices: Vec<usize>,
    /// The films: [`super::LoaderOptions::batch`], or fewer in a last batch that is not full and, without
    /// shuffling, in a batch that lost bad films (then possibly none). With shuffling bad films make
    /// it fewer only where the samples hold fewer good ones than a batch.
    pub films: Vec<Arc<FittedFilm>>,
    /// Targets, a row of [`super::Loader::row_len`] numbers for each film, one after the other: labels as the
    /// samples have them; a mask as `height * width` numbers 0 or 1; boxes as `x1 y1 x2 y2 class` each, in pixels
    /// of the input, where an unused place has class −1.
    pub targets: Vec<f32>,
    /// Width and height that each film fills of the input, pixels; less than the whole only in a
    /// [`crate::data::Fit::Letterbox`].
    pub extents: Vec<[f32; 2]>,
}

impl Batch {
    /// A batch of these films, by their numbers among `samples`, whose targets are rows of `row_len`
    /// numbers.
    pub(super) fn new(
        [step, epoch]: [u64; 2],
        films: Vec<(usize, Arc<FittedFilm>)>,
        samples: &[Sample],
        row_len: usize,
    ) -> Self {
        let (indices, films): (Vec<_>, Vec<_>) = films.into_iter().unzip();
        let mut targets = Vec::with_capacity(films.len() * row_len);
        for (at, film) in indices.iter().zip(&films) {
            match &samples[*at].target {
                Annotation::Labels(labels) => targets.extend(labels),
                Annotation::Mask { .. } | Annotation::Polygons { .. } => {
                    targets.extend(film.mask.iter().map(|v| f32::from(*v)));
                }
                Annotation::Boxes { size, boxes } => {
                    targets.extend(box_row(boxes, *size, film.extent, row_len));
                }
            }
        }
        let extents = films.iter().map(|film| film.extent.map(|side| side as f32)).collect();
        Self { step, epoch, indices, films, targets, extents }
    }
    /// Samples for a step's fields: targets, extents, films.
    pub fn fields(&self) -> [Samples<'_>; 3] {
        let films = self.films.iter().map(|film| film.pixels.grey());
        [
            Numbers(&self.targets),
            Numbers(self.extents.as_flattened()),
            Samples::images(films.collect()),
        ]
    }
}
