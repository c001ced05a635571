//! Reference of non-maximum suppression, on the host in f64.

use super::Nms;
use crate::{
    ops::{box_iou::reference::iou, top_k::LOWEST},
    tensor::Array,
};

impl Nms {
    /// The scores that are left, on the host.
    pub fn reference(&self, boxes: &Array, scores: &Array, classes: Option<&Array>) -> Array {
        let count = scores.shape[1];
        let mut y = scores.clone().map(|_| f64::from(LOWEST));
        let one = |i: usize| &boxes.data[4 * i..][..4];
        for row in 0..scores.shape[0] {
            for i in row * count..(row + 1) * count {
                let suppresses = |j: usize| {
                    y.data[j] > f64::from(LOWEST)
                        && classes.is_none_or(|c| c.data[i] == c.data[j])
                        && iou(one(i), one(j)) > self.threshold
                };
                if !(row * count..i).any(suppresses) {
                    y.data[i] = scores.data[i];
                }
            }
        }
        y
    }
}
