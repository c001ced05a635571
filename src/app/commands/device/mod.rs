//! Commands on adapters and kernels: doctor, bench, tune.

pub mod bench;
pub mod bench_all;
pub mod bench_compare;
pub mod bench_page;
pub mod doctor;
pub mod kernels;
pub mod problems;
pub mod tune;
