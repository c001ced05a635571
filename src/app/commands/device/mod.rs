//! Commands on adapters and kernels: doctor, bench, tune.

pub mod bench;
pub mod doctor;
pub mod problems;
pub mod tune;
