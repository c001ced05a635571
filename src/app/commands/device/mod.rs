//! Commands on adapters and kernels: doctor, bench, tune.

pub mod bench;
pub mod bench_compare;
mod bench_loader;
pub mod doctor;
pub mod kernels;
mod made_films;
pub mod problems;
pub mod tune;
