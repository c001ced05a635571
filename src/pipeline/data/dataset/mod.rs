//! A data set: its source, its classes, and its division by patient.

pub mod class;
pub mod patient;
pub mod portable;
mod read;
pub mod source;
pub mod split;
pub mod split_file;
