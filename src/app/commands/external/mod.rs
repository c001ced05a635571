//! Runners for other programs: one op, a network, training steps, on tensors from files.

mod batch;
pub mod detection;
pub mod network;
pub mod run_model;
pub mod run_op;
pub mod run_steps;
pub mod tensors;
