//! Scores of one segmentation task.

use serde::{Deserialize, Serialize};

use super::{
    Confusion,
    bootstrap::{Bootstrap, Intervals, Resampled, check_patients},
};
use mtpret_engine::error::Result;

/// Predicted masks against true ones.
#[derive(Debug, Clone, Copy)]
pub struct MaskPredictions<'a> {
    /// Counts of each image's pixels, by [`Confusion::of_pixels`].
    pub counts: &'a [Confusion],
    /// The patient of each image, so that intervals resample patients.
    pub patients: Option<&'a [String]>,
}

/// The figures of a segmentation task: `T` is a value or an interval, `None` (JSON `null`) where
/// undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentMeasures<T> {
    /// Mean Dice of the foreground over the images, [`Confusion::dice`]; an image with an empty
    /// mask and an empty prediction is left out.
    pub dice: T,
    /// Dice of the foreground over the pixels of all images.
    pub dice_pooled: T,
    /// Mean of background and foreground IoU over the pixels of all images,
    /// [`Confusion::mean_iou`]; the paper's mIoU.
    pub miou: T,
    /// Mean over the images of [`Confusion::mean_iou`].
    pub miou_per_image: T,
}

impl<T> SegmentMeasures<T> {
    fn from_values(values: Vec<T>) -> Self {
        let [dice, dice_pooled, miou, miou_per_image] =
            values.try_into().ok().expect("one value for each figure");
        Self { dice, dice_pooled, miou, miou_per_image }
    }
}

/// Scores of a segmentation task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentScores {
    /// Number of images.
    pub images: usize,
    /// The figures.
    #[serde(flatten)]
    pub measures: SegmentMeasures<Option<f64>>,
    /// 95 % intervals, if any replicates were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<Intervals<SegmentMeasures<Option<[f64; 2]>>>>,
}

impl SegmentScores {
    /// The mean Dice, and its replicates.
    #[must_use]
    pub fn resampled(&self) -> Resampled {
        Resampled::mean_of(&[0], &[self.measures.dice], self.ci.as_ref())
    }
}

impl MaskPredictions<'_> {
    /// Measures the masks.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if there is not one patient an image.
    pub fn scores(&self, settings: Bootstrap) -> Result<SegmentScores> {
        let images = self.counts.len();
        check_patients(images, self.patients)?;
        let each: Vec<_> = self.counts.iter().map(|c| (c.dice(), c.mean_iou())).collect();
        let measure = |times: &[u64]| {
            let mut pooled = Confusion::default();
            self.counts.iter().zip(times).for_each(|(counts, times)| pooled += *counts * *times);
            let dice = weighted_mean(each.iter().map(|e| e.0), times);
            let miou_per_image = weighted_mean(each.iter().map(|e| e.1), times);
            vec![dice, pooled.dice(), pooled.mean_iou(), miou_per_image]
        };
        Ok(SegmentScores {
            images,
            measures: SegmentMeasures::from_values(measure(&vec![1; images])),
            ci: settings.intervals(images, self.patients, measure, SegmentMeasures::from_values),
        })
    }
}

/// The mean of the defined values, each counted as often as its image was drawn.
fn weighted_mean(values: impl Iterator<Item = Option<f64>>, times: &[u64]) -> Option<f64> {
    let drawn = values.zip(times).filter_map(|(value, times)| Some((value?, *times as f64)));
    let (sum, count) = drawn.fold((0.0, 0.0), |(s, n), (value, t)| (s + value * t, n + t));
    (count > 0.0).then(|| sum / count)
}
