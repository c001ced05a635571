//! Films in batches, from files and from a pack.

mod loading;
mod packing;
mod targets;
