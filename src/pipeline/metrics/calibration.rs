//! Calibration: whether probabilities are the frequencies that they claim to be.

/// Number of bins of equal width from 0 to 1.
const BINS: usize = 10;
/// Quantile at 97.5 % of the normal distribution.
const Z: f64 = 1.959_964;

/// Bin of images by their probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Number of images in it.
    pub images: usize,
    /// Mean probability of the images.
    pub probability: f64,
    /// Share of the images that is positive.
    pub share: f64,
    /// The 95 % interval of that share (Wilson's).
    pub interval: [f64; 2],
}

/// Calibration: how far probabilities are from what happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The bins that have images, by rising probability.
    pub bins: Vec<Bin>,
    /// Expected calibration error (Naeini et al. 2015): Σ |share − probability| of the bins, each weighted by its share of
    /// all images.
    pub error: f64,
    /// Brier's score: the mean of (probability − truth)².
    pub brier: f64,
}

impl Calibration {
    /// The calibration of probabilities against what is true; none without images or where a probability is
    /// not within 0 and 1.
    ///
    /// # Panics
    /// If the slices differ in length.
    #[must_use]
    pub fn of(probabilities: &[f64], positive: &[bool]) -> Option<Self> {
        assert_eq!(probabilities.len(), positive.len(), "one probability per target");
        let valid = probabilities.iter().all(|p| (0.0..=1.0).contains(p));
        if probabilities.is_empty() || !valid {
            return None;
        }
        let all = probabilities.len() as f64;
        let pairs = || probabilities.iter().zip(positive.iter().map(|p| f64::from(u8::from(*p))));
        let mut sums = [(0_usize, 0.0, 0.0); BINS];
        for (p, truth) in pairs() {
            let bin = &mut sums[((p * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + 1, bin.1 + p, bin.2 + truth);
        }
        let bins: Vec<Bin> = sums
            .iter()
            .filter(|(images, ..)| *images > 0)
            .map(|&(images, p, there)| {
                let (probability, share) = (p / images as f64, there / images as f64);
                Bin { images, probability, share, interval: wilson(share, images as f64) }
            })
            .collect();
        let gap = |bin: &Bin| (bin.share - bin.probability).abs() * bin.images as f64 / all;
        Some(Self {
            error: bins.iter().map(gap).sum(),
            brier: pairs().map(|(p, truth)| (p - truth).powi(2)).sum::<f64>() / all,
            bins,
        })
    }
}

/// Wilson's interval of a share of `n` (Wilson 1927).
fn wilson(share: f64, n: f64) -> [f64; 2] {
    let (z2, half) = (Z * Z, Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt());
    let middle = share + z2 / (2.0 * n);
    [middle - half, middle + half].map(|end| (end / (1.0 + z2 / n)).clamp(0.0, 1.0))
}
