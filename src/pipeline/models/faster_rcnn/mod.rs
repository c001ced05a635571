//! Faster R-CNN with a feature pyramid (Ren et al. 2015, Lin et al. 2017), as torchvision builds it.
//!
//! Nothing is read back: lists of boxes have fixed places, and a place without a box holds zeros. All
//! that depends on the image's size alone, anchors above all, is made when a step is recorded.

pub mod anchors;
pub mod fpn;
mod options;
pub mod roi;
pub mod rpn;

use super::ResNet;
use crate::Result;
use mtpret_engine::{
    autograd::{Tape, Var},
    tensor::{Scope, Tensor},
};
pub use options::{Boxes, Detections, FasterRcnnOptions, Sampling};

use fpn::Pyramid;
use roi::{Candidates, RoiHeads};
use rpn::Rpn;
use std::rc::Rc;

/// A backbone, feature pyramid, region proposal network and box head.
pub struct FasterRcnn {
    backbone: Rc<ResNet>,
    pyramid: Pyramid,
    rpn: Rpn,
    roi_heads: RoiHeads,
    options: FasterRcnnOptions,
}

impl FasterRcnn {
    /// Names of the losses, in their order.
    pub const LOSSES: [&'static str; 4] = ["objectness", "rpn_box", "class", "box"];
    /// Declares `backbone.fpn`, `rpn` and `roi_heads` in `scope`. `classes` counts the background.
    pub fn new(
        scope: &Scope,
        backbone: &Rc<ResNet>,
        classes: usize,
        options: FasterRcnnOptions,
    ) -> Self {
        Self {
            backbone: backbone.clone(),
            pyramid: Pyramid::new(&scope.at("backbone").at("fpn"), backbone.depth),
            rpn: Rpn::new(&scope.at("rpn").at("head")),
            roi_heads: RoiHeads::new(&scope.at("roi_heads"), classes, options),
            options,
        }
    }
    /// Computes the losses of objectness, of proposals, of classes and of boxes, each `[1]`, of images `[N, H, W, 3]`.
    /// Films without boxes are background; their boxes teach nothing.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn losses(
        &self,
        tape: &Tape,
        x: &Var,
        truth: &Boxes,
        step: &Tensor,
        given: Option<&Sampling>,
    ) -> Result<[Var; 4]> {
        let [_, h, w, _] = x.value.axes();
        let size = [h, w];
        let pyramid = self.pyramid.forward(tape, &self.backbone.forward(tape, x)?)?;
        let scored = self.rpn.forward(tape, &pyramid, size)?;
        let anchors = given.and_then(|given| given.anchors.as_ref());
        let [objectness, rpn_box] = scored.losses(tape, truth, step, anchors, self.options.beta)?;
        let candidates = match given.and_then(|given| given.proposals.clone()) {
            Some(boxes) => Candidates::Given(boxes),
            None => {
                let all = scored.proposals(tape.rec, &truth.extents, &self.options, true)?;
                Candidates::Proposed(all)
            }
        };
        let [class, boxes] =
            self.roi_heads.losses(tape, &pyramid, candidates, truth, size, step)?;
        Ok([objectness, rpn_box, class, boxes])
    }
    /// Computes the detections in images `[N, H, W, 3]` that films of these extents `[N, 2]` fill.
    ///
    /// # Errors
    /// A request beyond the adapter's limits.
    pub fn detect(&self, tape: &Tape, x: &Var, extents: &Tensor) -> Result<Detections> {
        let [_, h, w, _] = x.value.axes();
        let size = [h, w];
        let pyramid = self.pyramid.forward(tape, &self.backbone.forward(tape, x)?)?;
        let scored = self.rpn.forward(tape, &pyramid, size)?;
        let proposals = scored.proposals(tape.rec, extents, &self.options, false)?;
        self.roi_heads.detect(tape, &pyramid, &proposals, extents, size)
    }
}
