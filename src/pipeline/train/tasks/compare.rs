//! A film's prediction beside what is known of the film.

use crate::metrics::match_boxes;

/// Overlap from which on a box counts as found.
const IOU: f64 = 0.5;

/// A prediction beside the truth, as a picture shows both.
#[derive(Clone, Debug, PartialEq)]
pub enum Compared {
    /// Of labels.
    Labels {
        /// The names of the labels.
        names: Vec<String>,
        /// Their probabilities.
        probabilities: Vec<f64>,
        /// The label of interest: the positive one of two classes, else the likeliest.
        chosen: usize,
        /// For each label whether the prediction is right; none where that is not known.
        right: Vec<Option<bool>>,
        /// The labels that are truly present, if the film is labelled.
        present: Option<Vec<String>>,
    },
    /// Of a mask at the film's own size.
    Mask {
        /// Width and height.
        size: [usize; 2],
        /// Pixels that are foreground by the network.
        found: Vec<bool>,
        /// Those that truly are, if the film has a mask.
        wanted: Option<Vec<bool>>,
        /// Mean probability of the foreground; none where there is none.
        score: Option<f64>,
        /// Dice of both, where it is defined.
        dice: Option<f64>,
    },
    /// Of boxes.
    Boxes {
        /// Boxes of the network, each with whether it finds one that is there; none where that is
        /// not known.
        found: Vec<(FoundBox, Option<bool>)>,
        /// Boxes that are there and were not found.
        missed: Vec<FoundBox>,
    },
}

/// A box on a film.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundBox {
    /// Left, top, right and bottom in pixels of the film.
    pub corners: [f64; 4],
    /// The class.
    pub class: String,
    /// The probability, of a box that was predicted.
    pub score: Option<f64>,
}

impl Compared {
    /// Matches boxes found, by falling score, with those that are `there`: class by class as COCO
    /// does at IoU .5. Without any knowledge of the film nothing is right or wrong.
    pub(in crate::train) fn boxes(found: Vec<FoundBox>, there: Option<Vec<FoundBox>>) -> Self {
        let Some(there) = there else {
            let found = found.into_iter().map(|b| (b, None)).collect();
            return Self::Boxes { found, missed: Vec::new() };
        };
        let bbox = |b: &FoundBox| {
            let [x1, y1, x2, y2] = b.corners;
            [x1, y1, x2 - x1, y2 - y1]
        };
        let of = |all: &[FoundBox], class: &str| -> Vec<usize> {
            (0..all.len()).filter(|i| all[*i].class == class).collect()
        };
        let (mut right, mut taken) = (vec![false; found.len()], vec![false; there.len()]);
        for (i, first) in found.iter().enumerate() {
            if found[..i].iter().any(|before| before.class == first.class) {
                continue;
            }
            let (ours, theirs) = (of(&found, &first.class), of(&there, &first.class));
            let boxes: Vec<_> = ours.iter().map(|i| bbox(&found[*i])).collect();
            let truths: Vec<_> = theirs.iter().map(|i| (bbox(&there[*i]), false)).collect();
            for (at, truth) in ours.into_iter().zip(match_boxes(&boxes, &truths, IOU)) {
                right[at] = truth.is_some();
                truth.into_iter().for_each(|truth| taken[theirs[truth]] = true);
            }
        }
        let missed = there.into_iter().zip(taken).filter(|(_, taken)| !taken).map(|(b, _)| b);
        let found = found.into_iter().zip(right.into_iter().map(Some)).collect();
        Self::Boxes { found, missed: missed.collect() }
    }
}
