//! A data set: its source, its classes, and its division by patient.

pub mod check;
pub mod class;
pub mod given;
pub mod listing;
pub mod patient;
pub mod patient_folders;
pub mod patient_names;
pub mod portable;
pub mod roots;
pub mod source;
pub mod split;
pub mod split_file;
pub mod uncertain;
