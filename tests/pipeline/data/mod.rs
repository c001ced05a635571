//! The `data` floor: files become batches.

mod annotated;
mod audit;
mod bad_annotations;
mod broken;
mod decoding;
mod dicom;
mod faults;
mod loading;
mod published;
mod reading;
mod real;
mod shipped;
mod targets;
