//! A data set: its source, its classes, and its division by patient.

pub mod class;
pub mod patient;
pub mod portable;
pub mod roots;
pub mod source;
pub mod split;
pub mod split_file;
pub mod uncertain;
