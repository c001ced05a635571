//! The three stages: pretraining, multitask continual learning, fine-tuning.

pub mod contrastive;
pub mod finetune;
pub mod forgetting;
pub mod moco;
pub mod monitor;
pub mod multitask;
pub mod packing;
pub mod pretrain;
pub mod simclr;
