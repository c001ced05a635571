//! Commands on trained networks: predict, explain, evaluate, score.

pub mod evaluate;
pub mod explain;
pub mod figures;
pub mod predict;
pub mod score;
