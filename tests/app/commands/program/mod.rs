//! The program itself: alone in a folder, its README, its runners, its adapter.

mod alone;
mod bench;
mod config;
mod readme;
pub mod runners;
mod shell;
mod tune;
