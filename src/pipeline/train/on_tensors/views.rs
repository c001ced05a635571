//! Momentum contrast on given views.

use crate::{
    Result,
    models::{Depth, Projection},
    train::{
        Device,
        stages::{
            contrastive::Contrastive,
            moco::{Contrast, MocoModel},
        },
        step::optimizer::Update,
    },
    weights::{File, arenas},
};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    gpu::Recording,
    step::{Batch, Field, Optimizer, TrainState, Trainable},
    tensor::Array,
};

/// Loads encoders with the weights that `found` holds, and a queue that begins with the keys `[D, K]`.
///
/// # Errors
/// Weights that do not fit, or too little device memory.
pub fn load_moco(gpu: &Device, depth: Depth, keys: &Array, found: &File) -> Result<MocoModel> {
    let projection = match found.tensors.contains_key("fc.0.weight") {
        true => Projection::Mlp,
        false => Projection::Linear,
    };
    let model = MocoModel::new(gpu, depth, [keys.shape[0], keys.shape[1]], projection, 0)?;
    arenas::load(gpu, &model.query.network, found)?;
    model.loaded(gpu);
    let rows = keys.permuted(&[1, 0]).padded();
    gpu.write(&model.queue.data, bytemuck::cast_slice(&rows));
    Ok(model)
}

/// Training step of momentum contrast on given views.
pub struct OnViews<'a> {
    /// The encoders and the queue.
    pub moco: &'a MocoModel,
    /// The contrastive task.
    pub contrast: Contrast,
    /// Of a view, `[N, H, W, 3]`.
    pub shape: Vec<usize>,
    /// How weights move.
    pub update: Update,
}

impl Trainable for OnViews<'_> {
    fn state(&self) -> &TrainState {
        &self.moco.query
    }
    fn mode(&self) -> Mode {
        Mode::Train { groups: self.contrast.splits }
    }
    fn samples(&self) -> usize {
        self.shape[0]
    }
    fn multiple(&self) -> usize {
        self.contrast.splits
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        ["view1", "view2"].map(|name| Field::new(name, [&[n], &self.shape[1..]].concat())).into()
    }
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
        let views = [batch.tensor("view1"), batch.tensor("view2")];
        Ok(vec![self.contrast.loss(tape, self.moco, views, batch)?])
    }
    fn optimizer(&self) -> Optimizer {
        self.update.optimizer(&self.moco.query.network.weights.layout, 0, false)
    }
    fn updated(&self, rec: &Recording, batch: &Batch) -> Result<()> {
        self.moco.updated(rec, batch)
    }
}
