//! Batches become weights: the three stages, their state on disk, their figures.
//!
//! ```text
//! Loader ── Inputs ──▶ Stepper (warp, network, loss, backward, update: one recording) ──▶ Reading
//!                         │ every save_every steps                                 │ every log.every
//!                         ▼                                                        ▼
//!                  checkpoint.safetensors                                    metrics.jsonl, events.out.tfevents.*
//! ```

pub mod bundle;
pub mod cache;
pub mod checkpoint;
pub mod config;
pub mod environment;
pub mod explain;
pub mod file_name;
pub mod films;
pub mod finetune;
pub mod forecast;
pub mod inference;
pub mod inputs;
pub mod journal;
pub mod learner;
pub mod metrics;
pub mod moco;
mod monitor;
pub mod multitask;
pub mod onnx;
pub mod pretrain;
pub mod rehearsal;
pub mod reproduce;
pub mod run;
pub mod schedule;
pub mod simclr;
pub mod state;
pub mod stepper;
pub mod task;
pub mod tensorboard;
pub mod trainer;
pub mod tuner;
pub mod update;
pub mod weights;
