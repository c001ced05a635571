//! The stages: trained, interrupted, resumed, planned.

mod dry_run;
mod faults;
mod init;
pub mod kinds;
mod learning;
mod losses;
mod resume;
mod stages;
