//! Probes of frozen features for labels: nearest neighbours and a linear probe.
//!
//! Both answer scores `[queries, labels]`, which [`Predictions`](super::Predictions) measures.

use rayon::prelude::*;

use mtpret_engine::error::{Error, Result};

/// Feature vectors, one per image, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Features<'a> {
    /// Values `[images, width]`.
    pub values: &'a [f32],
    /// Number of features per image.
    pub width: usize,
}

/// Weight of a neighbour's vote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Vote {
    /// Weight of one.
    Majority,
    /// Weight of `exp(cosine similarity / temperature)`; Wu et al. 2018 (InstDisc) use 0.07.
    Similarity {
        /// Temperature: below 1, near neighbours outweigh far ones.
        temperature: f64,
    },
}

/// Labels `[images, count]` of classes: 1 for the class, 0 for the others, NaN if it is missing.
#[must_use]
pub fn one_hot(classes: &[Option<usize>], count: usize) -> Vec<f64> {
    let hot = |class: Option<usize>, l| class.map_or(f64::NAN, |c| f64::from(u8::from(c == l)));
    classes.iter().flat_map(|&class| (0..count).map(move |l| hot(class, l))).collect()
}

/// The vote of the `k` training images nearest by cosine similarity, for each query and label:
/// `Σ w t / Σ w` over the nearest images whose label is known, in 0..=1.
///
/// `targets` are 1, 0 or NaN (missing), `[train, labels]`, see [`one_hot`]. Equals
/// `sklearn.neighbors.KNeighborsClassifier(metric="cosine").predict_proba`.
///
/// # Errors
/// [`Error::Data`] if lengths do not fit, a feature is not finite, or a label is known of no
/// training image; [`Error::Config`] unless `k` and the temperature are positive.
pub fn knn(
    train: Features,
    targets: &[f64],
    queries: Features,
    k: usize,
    vote: Vote,
) -> Result<Vec<f64>> {
    let labels = check(train, targets, queries)?;
    let sharp = match vote {
        Vote::Majority => 1.0,
        Vote::Similarity { temperature } => temperature,
    };
    if k == 0 || !(sharp > 0.0 && sharp.is_finite()) {
        let (expected, found) = ("k and a temperature above 0", format!("{k} and {sharp}"));
        let mend = "set k to 200, temperature 0.07";
        return Err(Error::config("nearest neighbours", expected, found, mend));
    }
    let train_unit = unit_rows(train);
    let scores = unit_rows(queries)
        .par_chunks(queries.width)
        .flat_map_iter(|query| {
            let mut near: Vec<(f64, &[f64])> = train_unit
                .chunks(train.width)
                .map(|row| dot(row, query))
                .zip(targets.chunks(labels))
                .collect();
            // The sort is stable: of equally near images the first counts as nearer.
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            (0..labels).map(move |l| poll(near.iter().map(|(s, t)| (*s, t[l])), k, vote))
        })
        .collect();
    Ok(scores)
}

/// Mean target of the first `k` known targets of `(similarity, target)`, weighted by the vote.
fn poll(near: impl Iterator<Item = (f64, f64)>, k: usize, vote: Vote) -> f64 {
    let mut best = f64::NAN;
    let (won, cast) = near.filter(|(_, target)| !target.is_nan()).take(k).fold(
        (0.0, 0.0),
        |(won, cast), (similarity, target)| {
            // Relative to the nearest, so that a small temperature does not overflow.
            best = best.max(similarity);
            let weight = match vote {
                Vote::Majority => 1.0,
                Vote::Similarity { temperature } => ((similarity - best) / temperature).exp(),
            };
            (won + weight * target, cast + weight)
        },
    );
    won / cast
}

/// Ridge regression of each label on standardised features, evaluated at the queries.
///
/// With `z = (x - mean) / deviation` over the training images whose label is known, minimises
/// `Σ (t - b - w·z)² + alpha |w|²` in closed form. Equals
/// `make_pipeline(StandardScaler(), Ridge(alpha))` of scikit-learn. Scores of 0/1 targets lie
/// around 0..1 and are cut at 0.5.
///
/// `targets` are 1, 0 or NaN (missing), `[train, labels]`, see [`one_hot`].
///
/// # Errors
/// [`Error::Data`] if lengths do not fit, a feature is not finite, or a label is known of no
/// training image; [`Error::Config`] unless `alpha` is positive.
pub fn linear_probe(
    train: Features,
    targets: &[f64],
    queries: Features,
    alpha: f64,
) -> Result<Vec<f64>> {
    let labels = check(train, targets, queries)?;
    if !(alpha > 0.0 && alpha.is_finite()) {
        let found = alpha.to_string();
        return Err(Error::config("linear probe", "a positive penalty", found, "set alpha to 1"));
    }
    let mut scores = vec![0.0; queries.values.len() / queries.width * labels];
    let mut solved: Option<Ridge> = None;
    for l in 0..labels {
        let target: Vec<f64> = targets[l..].iter().step_by(labels).copied().collect();
        let known: Vec<usize> = (0..target.len()).filter(|&i| !target[i].is_nan()).collect();
        // Labels known of the same images share the factored matrix, which is nearly all the work.
        let ridge = match solved.take() {
            Some(ridge) if ridge.known == known => ridge,
            _ => Ridge::new(train, known, alpha),
        };
        let (weights, bias) = ridge.fit(&target);
        for (query, row) in queries.values.chunks(queries.width).enumerate() {
            let scaled: Vec<f64> = ridge.scaler.apply(row).collect();
            scores[query * labels + l] = bias + dot(&scaled, &weights);
        }
        solved = Some(ridge);
    }
    Ok(scores)
}

/// Mean and standard deviation of each feature, `sklearn.preprocessing.StandardScaler`.
struct Scaler {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scaler {
    fn new(features: Features, images: &[usize]) -> Self {
        let over_images = |f: &dyn Fn(usize, f64) -> f64| {
            let mut sum = vec![0.0; features.width];
            for &image in images {
                let row = &features.values[image * features.width..][..features.width];
                for (j, (sum, x)) in sum.iter_mut().zip(row).enumerate() {
                    *sum += f(j, f64::from(*x)) / images.len() as f64;
                }
            }
            sum
        };
        let mean = over_images(&|_, x| x);
        let mut deviation = over_images(&|j, x| (x - mean[j]).powi(2));
        for (deviation, mean) in deviation.iter_mut().zip(&mean) {
            *deviation = deviation.sqrt();
            // A constant feature says nothing; rounding must not be blown up into a signal.
            if *deviation <= 1e-12 * mean.abs() {
                *deviation = 1.0;
            }
        }
        Self { mean, deviation }
    }

    fn apply(&self, row: &[f32]) -> impl Iterator<Item = f64> {
        let scale = self.mean.iter().zip(&self.deviation);
        row.iter().zip(scale).map(|(x, (mean, deviation))| (f64::from(*x) - mean) / deviation)
    }
}

/// Ridge regression of the images whose label is known, `ZᵀZ + alpha I = L Lᵀ`.
struct Ridge {
    known: Vec<usize>,
    scaler: Scaler,
    /// Standardised features `[known, width]`.
    z: Vec<f64>,
    /// Cholesky factor `L`, `[width, width]`; the part above the diagonal is not read.
    factor: Vec<f64>,
}

impl Ridge {
    fn new(features: Features, known: Vec<usize>, alpha: f64) -> Self {
        let width = features.width;
        let scaler = Scaler::new(features, &known);
        let row = |image: &usize| &features.values[image * width..][..width];
        let z: Vec<f64> = known.iter().flat_map(|image| scaler.apply(row(image))).collect();
        let mut factor = gram(&z, width);
        for j in 0..width {
            factor[j * width + j] += alpha;
        }
        cholesky(&mut factor, width);
        Self { known, scaler, z, factor }
    }

    /// Weights and bias for one label.
    fn fit(&self, target: &[f64]) -> (Vec<f64>, f64) {
        let width = self.scaler.mean.len();
        let sum: f64 = self.known.iter().map(|&i| target[i]).sum();
        let bias = sum / self.known.len() as f64;
        let mut w = vec![0.0; width];
        for (&image, z) in self.known.iter().zip(self.z.chunks(width)) {
            for (w, z) in w.iter_mut().zip(z) {
                *w += z * (target[image] - bias);
            }
        }
        for i in 0..width {
            let row = &self.factor[i * width..][..=i];
            w[i] = (w[i] - dot(&row[..i], &w[..i])) / row[i];
        }
        for i in (0..width).rev() {
            let row = &self.factor[i * width..][..=i];
            w[i] /= row[i];
            let (solved, left) = (w[i], &mut w[..i]);
            left.iter_mut().zip(row).for_each(|(w, l)| *w -= l * solved);
        }
        (w, bias)
    }
}

/// Gram matrix `ZᵀZ`, `[width, width]`. Each number is summed in the images' order, whatever the
/// threads do.
fn gram(z: &[f64], width: usize) -> Vec<f64> {
    /// Number of rows of the result per pass over `z`; they stay in the cache.
    const BLOCK: usize = 8;
    let mut gram = vec![0.0; width * width];
    gram.par_chunks_mut(BLOCK * width).enumerate().for_each(|(block, rows)| {
        for z in z.chunks(width) {
            for (row, left) in rows.chunks_mut(width).zip(&z[block * BLOCK..]) {
                row.iter_mut().zip(z).for_each(|(sum, right)| *sum += left * right);
            }
        }
    });
    gram
}

/// Computes the lower factor of a positive definite matrix, in place.
fn cholesky(a: &mut [f64], width: usize) {
    for i in 0..width {
        let (above, row) = a.split_at_mut(i * width);
        for j in 0..=i {
            if j < i {
                let other = &above[j * width..][..=j];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            } else {
                row[i] = (row[i] - dot(&row[..i], &row[..i])).sqrt();
            }
        }
    }
}

/// Dot product `Σ x y` of equally many numbers, in eight sums that a processor can carry side by
/// side.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (x, y) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (x, y) in x.0.iter().zip(y.0) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = x.1.iter().zip(y.1).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// Scales rows to length 1, `torch.nn.functional.normalize(eps=1e-12)`.
fn unit_rows(features: Features) -> Vec<f64> {
    let mut rows: Vec<f64> = features.values.iter().map(|&x| f64::from(x)).collect();
    for row in rows.chunks_mut(features.width) {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
        row.iter_mut().for_each(|x| *x /= length);
    }
    rows
}

/// Checks that all lengths are consistent and all values usable; gives the number of labels.
fn check(train: Features, targets: &[f64], queries: Features) -> Result<usize> {
    let fault = |expected: String, found, mend| Err(Error::data("features", expected, found, mend));
    for (name, features) in [("training", train), ("query", queries)] {
        let (found, width) = (features.values.len(), features.width);
        if width == 0 || width != train.width || !found.is_multiple_of(width) {
            let expected = format!("{name} rows of {}", train.width);
            return fault(expected, found.to_string(), "take all features from one model");
        }
        if let Some(i) = features.values.iter().position(|x| !x.is_finite()) {
            let found = format!("{} in {name} row {}", features.values[i], i / width);
            return fault("finite numbers".into(), found, "look for a diverged training run");
        }
    }
    let images = train.values.len() / train.width;
    if images == 0 || targets.is_empty() || !targets.len().is_multiple_of(images) {
        let (expected, found) = (format!("targets of {images} images"), targets.len().to_string());
        return fault(expected, found, "give one target per image and label");
    }
    let labels = targets.len() / images;
    match (0..labels).find(|&l| targets[l..].iter().step_by(labels).all(|t| t.is_nan())) {
        Some(l) => fault(
            "known targets".into(),
            format!("none of label {l}"),
            "leave the label out or add labelled images",
        ),
        None => Ok(labels),
    }
}
