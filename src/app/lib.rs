//! The program `mtpret`: its commands, and the pages and pictures that they show.

#[macro_use]
mod print;

pub mod commands;
pub mod report;

pub use mtpret_engine::{Error, Result, error::Place};
