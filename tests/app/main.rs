//! The program and what it shows, and the rules of this repository.
#![allow(clippy::unwrap_used)]

#[cfg(unix)]
mod commands;
mod data;
mod examples;
#[path = "../films/mod.rs"]
mod films;
mod models;
mod one_step;
mod report;
mod tidy;
