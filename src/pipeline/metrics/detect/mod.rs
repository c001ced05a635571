//! Figures of one detection task, measured as COCO and VOC do.

mod class;

pub use class::{bbox_iou, match_boxes};

use serde::{Deserialize, Serialize};

use super::{
    PerLabel,
    bootstrap::{Bootstrap, Intervals, Resampled, check_patients, patients},
    mean,
};
use class::ClassMatches;
use mtpret_engine::error::{Error, Result};

/// True box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Number of the image.
    pub image: usize,
    /// Number of the class.
    pub class: usize,
    /// Left, top, width and height.
    pub bbox: [f64; 4],
    /// Whether the box stands for a crowd: it need not be found, and what finds it is not counted.
    pub crowd: bool,
}

/// A box that a model believes to be there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Number of the image.
    pub image: usize,
    /// Number of the class.
    pub class: usize,
    /// Left, top, width and height.
    pub bbox: [f64; 4],
    /// Score: how sure the model is.
    pub score: f64,
}

/// Detections of a model on some images, and the true boxes.
#[derive(Debug, Clone, Copy)]
pub struct BoxPredictions<'a> {
    /// Name of each class.
    pub names: &'a [String],
    /// Number of images, those without boxes too. Of equal scores those of the first image count as
    /// higher; pycocotools has the images by rising id.
    pub images: usize,
    /// True boxes.
    pub truths: &'a [Truth],
    /// Detections of the model.
    pub detections: &'a [Detection],
    /// The patient of each image, so that intervals resample patients.
    pub patients: Option<&'a [String]>,
}

/// Curve of a class, its name and its `[recall, precision]`; none of a class without boxes.
pub type ClassCurve = (String, Option<Vec<[f64; 2]>>);

/// The figures of a class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassAp<T> {
    /// AP, mean over IoU .50:.05:.95.
    pub ap: T,
    /// AP at IoU .5.
    pub ap50: T,
}

/// The figures of a detection task: `T` is a value or an interval, `None` (JSON `null`) where
/// undefined.
///
/// AP is the mean precision at 101 recalls from 0 to 1, a precision being the best one at that
/// recall or a greater one. A detection takes, by falling score, the box of its class and image
/// that overlaps most among those that are free. Classes without a box are left out of the means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectMeasures<T> {
    /// Mean AP over the classes and over IoU .50:.05:.95; `stats[0]` of `pycocotools.COCOeval`.
    pub ap: T,
    /// Mean AP over the classes at IoU .5; `stats[1]`.
    pub ap50: T,
    /// Mean AP over the classes at IoU .75; `stats[2]`.
    pub ap75: T,
    /// Figures of each class.
    pub per_class: PerLabel<ClassAp<T>>,
    /// Mean AP as `ap50` with the 11 recalls of VOC 2007 in place of 101.
    pub voc07_ap50: T,
    /// Mean AP as `ap50` with the area below the curve, as VOC from 2010 on.
    pub voc10_ap50: T,
}

impl<T: Copy> DetectMeasures<T> {
    /// The measures from `ap` and `ap50` of each class, then the means in the order of the fields.
    fn from_values(names: &[String], values: Vec<T>) -> Self {
        let (classes, means) = values.split_at(2 * names.len());
        let classes = classes.as_chunks::<2>().0.iter().map(|&[ap, ap50]| ClassAp { ap, ap50 });
        let [ap, ap50, ap75, voc07_ap50, voc10_ap50] =
            means.try_into().expect("five means follow the classes");
        let per_class = PerLabel::new(names, classes);
        Self { ap, ap50, ap75, per_class, voc07_ap50, voc10_ap50 }
    }
}

/// Scores of a detection task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectScores {
    /// Number of images, with boxes or without.
    pub images: usize,
    /// Number of boxes of each class that are to be found.
    pub boxes: PerLabel<u64>,
    /// Number of patients with boxes of each class; in no file, so that none are known of scores that
    /// were read.
    #[serde(skip)]
    pub patients: Vec<u64>,
    /// Number of boxes that the model found, rightly or not.
    pub detections: usize,
    /// The figures.
    #[serde(flatten)]
    pub measures: DetectMeasures<Option<f64>>,
    /// 95 % intervals, if any replicates were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<Intervals<DetectMeasures<Option<[f64; 2]>>>>,
}

impl DetectScores {
    /// The mean over the classes with boxes on so many patients of AP at IoU .5, and its replicates.
    #[must_use]
    pub fn resampled(&self, least: u64) -> Resampled {
        let classes = self.measures.per_class.0.iter();
        let all: Vec<Option<f64>> = classes.flat_map(|(_, class)| [class.ap, class.ap50]).collect();
        let counts =
            |place: &usize| self.patients.get(place / 2).is_some_and(|patients| *patients >= least);
        let places: Vec<usize> = (1..all.len()).step_by(2).filter(counts).collect();
        Resampled::mean_of(&places, &all, self.ci.as_ref())
    }
}

impl BoxPredictions<'_> {
    /// Measures the boxes; equals `pycocotools.COCOeval(iouType="bbox")` with 100 detections an
    /// image and class. Detections are matched once, and the matches resampled.
    ///
    /// # Errors
    /// [`Error::Data`] if an image or class is out of range, a box or score is not finite, or there
    /// is not one patient an image.
    pub fn scores(&self, settings: Bootstrap) -> Result<DetectScores> {
        self.validate()?;
        let all = 0..self.names.len();
        let classes: Vec<ClassMatches> = all.map(|class| ClassMatches::of(self, class)).collect();
        let measure = |times: &[u64]| measure(&classes, times);
        let once = vec![1; self.images];
        Ok(DetectScores {
            images: self.images,
            boxes: PerLabel::new(self.names, classes.iter().map(|class| class.boxes(&once))),
            patients: (0..self.names.len()).map(|class| self.patients_with(class)).collect(),
            detections: self.detections.len(),
            measures: DetectMeasures::from_values(self.names, measure(&once)),
            ci: settings.intervals(self.images, self.patients, measure, |ends| {
                DetectMeasures::from_values(self.names, ends)
            }),
        })
    }

    /// Number of patients with boxes of a class.
    fn patients_with(&self, class: usize) -> u64 {
        let boxes = self.truths.iter().filter(|truth| truth.class == class && !truth.crowd);
        let images: std::collections::BTreeSet<usize> = boxes.map(|truth| truth.image).collect();
        patients(self.patients, images.into_iter())
    }

    /// Curves `[recall, precision]` of each class at IoU .5 by rising recall, a precision being the best one at that
    /// recall or a greater one; none of a class without boxes.
    ///
    /// # Errors
    /// As [`BoxPredictions::scores`].
    pub fn curves(&self) -> Result<Vec<ClassCurve>> {
        self.validate()?;
        let once = vec![1; self.images];
        let curve = |(number, name): (usize, &String)| {
            (name.clone(), ClassMatches::of(self, number).curve50(&once))
        };
        Ok(self.names.iter().enumerate().map(curve).collect())
    }

    /// Refuses images, classes, boxes and scores that cannot be.
    fn validate(&self) -> Result<()> {
        check_patients(self.images, self.patients)?;
        for (i, t) in self.truths.iter().enumerate() {
            self.check(&format!("box {i}"), t.image, t.class, &t.bbox)?;
        }
        for (i, d) in self.detections.iter().enumerate() {
            let [x, y, w, h] = d.bbox;
            self.check(&format!("detection {i}"), d.image, d.class, &[x, y, w, h, d.score])?;
        }
        Ok(())
    }

    fn check(&self, place: &str, image: usize, class: usize, numbers: &[f64]) -> Result<()> {
        let below = |limit: usize, found: usize, what: &str| match found < limit {
            true => Ok(()),
            false => Err(Error::data(
                place,
                format!("the number of {what} below {limit}"),
                found.to_string(),
                "count from 0",
            )),
        };
        below(self.images, image, "an image")?;
        below(self.names.len(), class, "a class")?;
        match numbers.iter().find(|number| !number.is_finite()) {
            None => Ok(()),
            Some(found) => Err(Error::data(
                place,
                "finite numbers",
                found.to_string(),
                "look for a diverged training run",
            )),
        }
    }
}

/// The values of [`DetectMeasures::from_values`] with image `i` counted `times[i]` times.
fn measure(classes: &[ClassMatches], times: &[u64]) -> Vec<Option<f64>> {
    let each: Vec<_> = classes.iter().map(|class| class.precision(times)).collect();
    let of = |figure: fn(&class::Precision) -> f64| {
        mean(each.iter().map(|class| class.as_ref().map(figure)))
    };
    let per_class = each.iter().flat_map(|class| {
        let figures = class.as_ref().map(|p| [p.ap(), p.ap50()]);
        [figures.map(|f| f[0]), figures.map(|f| f[1])]
    });
    let means =
        [of(|p| p.ap()), of(|p| p.ap50()), of(|p| p.ap75()), of(|p| p.voc07), of(|p| p.voc10)];
    per_class.chain(means).collect()
}
