//! The program and what it shows, and the rules of this repository.
#![allow(clippy::unwrap_used)]

#[cfg(unix)]
mod commands;
mod data;
#[path = "../films/mod.rs"]
mod films;
mod models;
mod report;
mod tidy;
