//! The stages: trained, interrupted, resumed, planned.

mod changes;
mod dry_run;
mod faults;
mod init;
pub mod kinds;
mod learning;
mod losses;
mod output;
mod resume;
mod stages;
