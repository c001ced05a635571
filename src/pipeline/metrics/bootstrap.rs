//! Percentile bootstrap: intervals of figures over images drawn anew.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use mtpret_engine::error::{Error, Result};

/// Settings of the bootstrap: how often to resample, and from which seed. The same seed gives the
/// same intervals on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of replicates; 0 for no intervals.
    pub replicates: u32,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// Bootstrap intervals of every figure of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervals<M> {
    /// Lower and upper end of each figure.
    #[serde(flatten)]
    pub measures: M,
    /// Share of the resampled figures that lies within, in percent.
    pub level: f64,
    /// Unit that is resampled: `"images"` or `"patients"`.
    pub resampled: String,
    /// Number of replicates.
    pub replicates: u32,
    /// Seed of the random numbers.
    pub seed: u64,
    /// The figures of each replicate, in the order in which they are measured; in no file.
    #[serde(skip)]
    pub draws: Vec<Vec<Option<f64>>>,
}

/// Main figure of a task, and what it would have been had other patients been drawn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resampled {
    /// The mean over the labels that count; none where none does.
    pub value: Option<f64>,
    /// Number of labels that count.
    pub labels: usize,
    /// The figure of each replicate; none where it is undefined.
    pub replicates: Vec<Option<f64>>,
}

impl Resampled {
    /// Rounds to six places, as it is written.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        let all = self.replicates.iter_mut().flatten().chain(self.value.as_mut());
        all.for_each(|figure| *figure = (*figure * 1e6).round() / 1e6);
        self
    }
    /// The mean over these places of what was measured, on all images and on each draw; none of a draw that lacks one.
    pub(crate) fn mean_of<M>(
        places: &[usize],
        all: &[Option<f64>],
        intervals: Option<&Intervals<M>>,
    ) -> Self {
        // A mean over fewer labels than the others would be one of something else.
        let mean = |values: &[Option<f64>]| {
            let found: Option<Vec<f64>> = places.iter().map(|place| values[*place]).collect();
            super::mean(found?.into_iter().map(Some))
        };
        let draws = intervals.map_or(&[][..], |intervals| &intervals.draws[..]);
        Self {
            value: mean(all),
            labels: places.len(),
            replicates: draws.iter().map(|draw| mean(draw)).collect(),
        }
    }
}

impl Bootstrap {
    /// Intervals of what `statistic` measures, see [`bootstrap`], named by `measures`; `None` if
    /// no replicates are asked for.
    pub(crate) fn intervals<M>(
        self,
        images: usize,
        patients: Option<&[String]>,
        statistic: impl Fn(&[u64]) -> Vec<Option<f64>> + Sync,
        measures: impl FnOnce(Vec<Option<[f64; 2]>>) -> M,
    ) -> Option<Intervals<M>> {
        if self.replicates == 0 {
            return None;
        }
        let draws = draws(images, patients, self, statistic);
        Some(Intervals {
            measures: measures(ends(&draws)),
            level: 95.0,
            resampled: if patients.is_some() { "patients" } else { "images" }.into(),
            replicates: self.replicates,
            seed: self.seed,
            draws,
        })
    }
}

/// Number of patients that these images are of; an image is a patient of its own where nobody is
/// named.
pub(crate) fn patients(patients: Option<&[String]>, images: impl Iterator<Item = usize>) -> u64 {
    let named =
        |image: usize| patients.map(|names| names[image].as_str()).filter(|n| !n.is_empty());
    let mut known = std::collections::HashSet::new();
    images.filter(|image| named(*image).is_none_or(|name| known.insert(name))).count() as u64
}

/// Refuses another number of patients than of images.
pub(crate) fn check_patients(images: usize, patients: Option<&[String]>) -> Result<()> {
    match patients.map(<[String]>::len) {
        Some(found) if found != images => Err(Error::data(
            "predictions",
            format!("{images} patients"),
            found.to_string(),
            "name the patient of each image, or of none",
        )),
        _ => Ok(()),
    }
}

/// 95 % intervals of several statistics of `images` images.
///
/// A replicate draws as many images as there are, with replacement, or, where `patients` names the
/// patient of each image, as many patients, each with all images; an empty name is a patient of
/// its own. `statistic` gets how often each image was drawn and answers one value per statistic,
/// `None` where it is undefined (one class drawn); undefined values are left out. The interval is
/// the 2.5th and 97.5th [`percentile`] of the rest, `None` if nothing is left.
///
/// # Panics
/// If `patients` does not hold one name per image.
pub fn bootstrap<F>(
    images: usize,
    patients: Option<&[String]>,
    settings: Bootstrap,
    statistic: F,
) -> Vec<Option<[f64; 2]>>
where
    F: Fn(&[u64]) -> Vec<Option<f64>> + Sync,
{
    ends(&draws(images, patients, settings, statistic))
}

/// Figures that `statistic` measures on each replicate.
fn draws(
    images: usize,
    patients: Option<&[String]>,
    settings: Bootstrap,
    statistic: impl Fn(&[u64]) -> Vec<Option<f64>> + Sync,
) -> Vec<Vec<Option<f64>>> {
    let clusters = clusters(images, patients);
    (0..settings.replicates)
        .into_par_iter()
        .map(|replicate| statistic(&resample(&clusters, settings.seed, replicate)))
        .collect()
}

/// The ends of each statistic's 95 % interval.
fn ends(draws: &[Vec<Option<f64>>]) -> Vec<Option<[f64; 2]>> {
    let statistics = draws.first().map_or(0, Vec::len);
    let of = |s: usize| interval(draws.iter().map(|draw| draw[s]));
    (0..statistics).into_par_iter().map(of).collect()
}

/// The 2.5th and 97.5th [`percentile`] of the defined values; `None` if none is.
pub(crate) fn interval(values: impl Iterator<Item = Option<f64>>) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = values.flatten().collect();
    values.sort_by(f64::total_cmp);
    Some([percentile(&values, 2.5)?, percentile(&values, 97.5)?])
}

/// The `percent`-th percentile of rising values, linear between neighbours, as
/// `numpy.percentile(method="linear")`; `None` if there are no values.
#[must_use]
pub fn percentile(rising: &[f64], percent: f64) -> Option<f64> {
    let last = rising.len().checked_sub(1)?;
    let place = (last as f64 * percent / 100.0).clamp(0.0, last as f64);
    let (low, high) = (rising[place.floor() as usize], rising[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

/// The images of each unit of resampling.
fn clusters(images: usize, patients: Option<&[String]>) -> Vec<Vec<usize>> {
    let Some(patients) = patients else { return (0..images).map(|i| vec![i]).collect() };
    assert_eq!(images, patients.len(), "one patient per image");
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    let mut known = HashMap::new();
    for (image, patient) in patients.iter().enumerate() {
        let new = clusters.len();
        let cluster = match patient.as_str() {
            "" => new,
            name => *known.entry(name).or_insert(new),
        };
        if cluster == new {
            clusters.push(Vec::new());
        }
        clusters[cluster].push(image);
    }
    clusters
}

/// Number of times that each image is drawn in a replicate.
fn resample(clusters: &[Vec<usize>], seed: u64, replicate: u32) -> Vec<u64> {
    let images = clusters.iter().map(Vec::len).sum();
    let mut times = vec![0; images];
    for cluster in draw("mtpret bootstrap", clusters.len(), seed, replicate) {
        clusters[cluster].iter().for_each(|image| times[*image] += 1);
    }
    times
}

/// Draws as many of `count` things as there are, with replacement. BLAKE3 of `purpose`, seed and replicate is the
/// source of random numbers, so that replicates can be computed in any order and on any machine.
pub(crate) fn draw(purpose: &str, count: usize, seed: u64, replicate: u32) -> Vec<usize> {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    hasher.update(&seed.to_le_bytes()).update(&replicate.to_le_bytes());
    let mut random = vec![0; 8 * count];
    hasher.finalize_xof().fill(&mut random);
    let at = |draw: &[u8; 8]| {
        // The high half of a 64 by 64 bit product is even to one part in 2^64 / count.
        let wide = u128::from(u64::from_le_bytes(*draw)) * count as u128;
        (wide >> 64) as usize
    };
    random.as_chunks::<8>().0.iter().map(at).collect()
}
