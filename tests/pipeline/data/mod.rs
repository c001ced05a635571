//! The `data` floor: files become batches.

mod annotated;
mod audit;
mod bad_annotations;
mod divisions;
mod faults;
mod film;
mod layouts;
mod loader;
mod patients;
mod published;
mod reading;
mod shipped;
mod tables;
