//! Detections of one class matched to boxes, and the precision that follows.

use super::{BoxPredictions, mean};

/// Number of IoU thresholds, .50:.05:.95.
const THRESHOLDS: usize = 10;
/// Indices of .5 and .75 among them.
const AT_50: usize = 0;
const AT_75: usize = 5;
/// Number of detections of a class on an image that count, those of the highest scores.
const MOST: usize = 100;

/// Threshold `i` with the bits of `numpy.linspace(.5, .95, 10)`.
fn threshold(i: usize) -> f64 {
    if i + 1 == THRESHOLDS { 0.95 } else { 0.5 + i as f64 * ((0.95 - 0.5) / 9.0) }
}

/// Intersection over union of two boxes, left, top, width and height; of a crowd, over the first
/// box alone. Equals `pycocotools.mask.iou`.
#[must_use]
pub fn bbox_iou(detection: [f64; 4], truth: [f64; 4], crowd: bool) -> f64 {
    let side = |i: usize| {
        (detection[i] + detection[i + 2]).min(truth[i] + truth[i + 2]) - detection[i].max(truth[i])
    };
    let (width, height) = (side(0), side(1));
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let both = width * height;
    let area = |b: [f64; 4]| b[2] * b[3];
    both / if crowd { area(detection) } else { area(detection) + area(truth) - both }
}

/// Index in `truths` of the box that each detection finds; detections of one class on one image by
/// falling score, boxes with whether they are crowds.
///
/// A detection takes the box of greatest IoU, at least `iou`, among those that none before it took,
/// or else a crowd, which any number may take. The matching of `pycocotools.COCOeval`.
#[must_use]
pub fn match_boxes(
    detections: &[[f64; 4]],
    truths: &[([f64; 4], bool)],
    iou: f64,
) -> Vec<Option<usize>> {
    let overlaps = overlaps(detections, truths);
    greedy(&overlaps, truths, iou)
}

fn overlaps(detections: &[[f64; 4]], truths: &[([f64; 4], bool)]) -> Vec<Vec<f64>> {
    let row = |d| truths.iter().map(move |&(truth, crowd)| bbox_iou(d, truth, crowd));
    detections.iter().map(|&d| row(d).collect()).collect()
}

fn greedy(overlaps: &[Vec<f64>], truths: &[([f64; 4], bool)], iou: f64) -> Vec<Option<usize>> {
    let (crowds, single): (Vec<usize>, Vec<usize>) = (0..truths.len()).partition(|&t| truths[t].1);
    let mut taken = vec![false; truths.len()];
    overlaps
        .iter()
        .map(|row| {
            // Of equal overlaps the last box is taken, as there.
            let best = |among: &[usize], taken: &[bool]| {
                let reached = |t: &&usize| !taken[**t] && row[**t] >= iou.min(1.0 - 1e-10);
                among.iter().filter(reached).copied().max_by(|a, b| row[*a].total_cmp(&row[*b]))
            };
            let found = best(&single, &taken);
            if let Some(truth) = found {
                taken[truth] = true;
            }
            found.or_else(|| best(&crowds, &taken))
        })
        .collect()
}

/// A detection that counts.
#[derive(Clone, Copy)]
struct RankedDetection {
    score: f64,
    image: usize,
    /// Whether the detection finds a box.
    right: bool,
}

/// Matches of one class on all images, at every threshold.
pub(crate) struct ClassMatches {
    /// Number of boxes to be found on each image.
    boxes: Vec<u64>,
    /// Detections for each threshold by falling score, without those that find a crowd and those
    /// below the last right one, which no precision depends on.
    ranked: Vec<Vec<RankedDetection>>,
}

impl ClassMatches {
    pub(crate) fn of(predictions: &BoxPredictions, class: usize) -> Self {
        let mut found = vec![Vec::new(); predictions.images];
        for d in predictions.detections.iter().filter(|d| d.class == class) {
            found[d.image].push((d.score, d.bbox));
        }
        let mut truths = vec![Vec::new(); predictions.images];
        for t in predictions.truths.iter().filter(|t| t.class == class) {
            truths[t.image].push((t.bbox, t.crowd));
        }
        let mut ranked = vec![Vec::new(); THRESHOLDS];
        for (image, (mut found, truths)) in found.into_iter().zip(&truths).enumerate() {
            found.sort_by(|a, b| falling(a.0, b.0));
            found.truncate(MOST);
            let (scores, boxes): (Vec<f64>, Vec<_>) = found.into_iter().unzip();
            let overlaps = overlaps(&boxes, truths);
            for (t, ranked) in ranked.iter_mut().enumerate() {
                let matches = greedy(&overlaps, truths, threshold(t));
                ranked.extend(scores.iter().zip(matches).filter_map(|(&score, truth)| {
                    let crowd = truth.is_some_and(|truth| truths[truth].1);
                    (!crowd).then_some(RankedDetection { score, image, right: truth.is_some() })
                }));
            }
        }
        for ranked in &mut ranked {
            ranked.sort_by(|a, b| falling(a.score, b.score));
            let last = ranked.iter().rposition(|r| r.right);
            ranked.truncate(last.map_or(0, |last| last + 1));
        }
        let single = |truths: &Vec<([f64; 4], bool)>| truths.iter().filter(|t| !t.1).count() as u64;
        Self { boxes: truths.iter().map(single).collect(), ranked }
    }

    /// Number of boxes to be found, image `i` counted `times[i]` times.
    pub(crate) fn boxes(&self, times: &[u64]) -> u64 {
        self.boxes.iter().zip(times).map(|(boxes, times)| boxes * times).sum()
    }

    /// `[recall, precision]` at IoU .5, image `i` counted `times[i]` times; `None` without boxes.
    pub(crate) fn curve50(&self, times: &[u64]) -> Option<Vec<[f64; 2]>> {
        let boxes = self.boxes(times);
        (boxes > 0).then(|| Curve::new(&self.ranked[AT_50], boxes, times).0)
    }

    /// The precision of the class, image `i` counted `times[i]` times; `None` without boxes.
    pub(crate) fn precision(&self, times: &[u64]) -> Option<Precision> {
        let boxes = self.boxes(times);
        if boxes == 0 {
            return None;
        }
        let curves: Vec<Curve> = self.ranked.iter().map(|r| Curve::new(r, boxes, times)).collect();
        Some(Precision {
            coco: std::array::from_fn(|t| curves[t].at_recalls(101)),
            voc07: curves[AT_50].at_recalls(11),
            voc10: curves[AT_50].area(),
        })
    }
}

fn falling(a: f64, b: f64) -> std::cmp::Ordering {
    b.partial_cmp(&a).expect("scores were checked to be finite")
}

/// Average precisions of a class.
pub(crate) struct Precision {
    coco: [f64; THRESHOLDS],
    pub(crate) voc07: f64,
    pub(crate) voc10: f64,
}

impl Precision {
    pub(crate) fn ap(&self) -> f64 {
        mean(self.coco.map(Some)).expect("there are thresholds")
    }

    pub(crate) fn ap50(&self) -> f64 {
        self.coco[AT_50]
    }

    pub(crate) fn ap75(&self) -> f64 {
        self.coco[AT_75]
    }
}

/// Curve of precision over recall: each recall that is reached, rising, and the best precision at
/// that recall or a greater one.
struct Curve(Vec<[f64; 2]>);

impl Curve {
    /// The curve of detections by falling score. A copy of a detection ranks beside it, so that
    /// precision rises from one copy of a right one to the next, and one point stands for all.
    fn new(ranked: &[RankedDetection], boxes: u64, times: &[u64]) -> Self {
        let (mut right, mut wrong) = (0, 0);
        let mut points: Vec<[f64; 2]> = Vec::new();
        for detection in ranked {
            match (detection.right, times[detection.image]) {
                (_, 0) => {}
                (false, times) => wrong += times,
                (true, times) => {
                    right += times;
                    let recall = right as f64 / boxes as f64;
                    points.push([recall, right as f64 / (right + wrong) as f64]);
                }
            }
        }
        for i in (1..points.len()).rev() {
            points[i - 1][1] = points[i - 1][1].max(points[i][1]);
        }
        Self(points)
    }

    /// The mean precision at `count` recalls evenly from 0 to 1, 0 where a recall is not reached.
    fn at_recalls(&self, count: usize) -> f64 {
        let step = 1.0 / (count - 1) as f64;
        let mut points = self.0.iter().peekable();
        let precision = |i: usize| {
            while points.next_if(|point| point[0] < i as f64 * step).is_some() {}
            points.peek().map_or(0.0, |point| point[1])
        };
        (0..count).map(precision).sum::<f64>() / count as f64
    }

    /// The area below the curve.
    fn area(&self) -> f64 {
        let before = std::iter::once(0.0).chain(self.0.iter().map(|point| point[0]));
        self.0.iter().zip(before).map(|([recall, best], before)| (recall - before) * best).sum()
    }
}
