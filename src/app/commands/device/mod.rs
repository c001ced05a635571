//! Commands on adapters and kernels: doctor, bench, tune.

pub mod bench;
pub mod doctor;
pub mod tune;
