//! The trait `Contrastive`: what pretraining asks of MoCo and SimCLR.

use crate::{
    Result,
    models::Encoder,
    train::{
        config::{Augment, Data},
        run::Checkpoint,
        tasks::model::view,
    },
    weights::checkpoint::Tensors,
};
use mtpret_engine::{
    gpu::{Gpu, Recording},
    step::{Batch, TrainState},
    tensor::Tensor,
};

/// A method of contrastive learning: MoCo or SimCLR.
pub trait Contrastive {
    /// The encoder that is trained and handed on, and its state.
    fn encoder(&self) -> (&Encoder, &TrainState);
    /// The encoder has been given weights from a file; whatever follows it, follows.
    fn loaded(&self, gpu: &Gpu);
    /// Everything that a resumed run needs.
    ///
    /// # Errors
    /// The device is lost.
    fn tensors(&self, gpu: &Gpu) -> Result<Tensors>;
    /// Takes what [`Contrastive::tensors`] gave.
    ///
    /// # Errors
    /// A tensor is missing or has another shape.
    fn restore(&self, gpu: &Gpu, checkpoint: &Checkpoint) -> Result<()>;
}

/// Records two random views of each film of a batch.
pub(in crate::train) fn views(
    rec: &Recording,
    batch: &Batch,
    data: &Data,
    augment: &Augment,
) -> Result<[Tensor; 2]> {
    let size = [batch.samples, data.height, data.width];
    let see = |number: u32| {
        view(data, Some(augment), number).forward(rec, batch.tensor("films"), size, batch.step())
    };
    Ok([see(0)?, see(1)?])
}
