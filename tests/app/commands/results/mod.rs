//! What comes of runs: predictions, pages, bundles, weights.

mod bundle;
pub mod chromium;
mod explain;
mod pages;
mod predict;
mod runs;
mod score;
mod weights;
