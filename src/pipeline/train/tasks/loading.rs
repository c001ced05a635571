//! How films are loaded: in order or shuffled, at a task's size.

use super::Task;
use crate::{
    data::{Fit, LoaderOptions},
    train::config::Data,
};

/// The options of a loader of films of `data` in the order of the data set, each once.
pub fn in_order(data: &Data) -> LoaderOptions {
    LoaderOptions {
        width: data.width,
        height: data.height,
        fit: Fit::Stretch,
        batch: data.batch,
        seed: 0,
        shuffle: false,
        drop_last: false,
        threads: data.threads,
        cache_bytes: data.cache_mb << 20,
        pack: data.pack.clone(),
        prefetch: 2,
        max_bad: data.max_bad,
        start: 0,
    }
}

/// The options of a loader of full batches in a random order, from batch `start` on.
pub fn shuffled(data: &Data, seed: u64, start: u64) -> LoaderOptions {
    LoaderOptions { seed, shuffle: true, drop_last: true, start, ..in_order(data) }
}

/// The options of a loader that trains a task.
pub fn training(task: &dyn Task, seed: u64, start: u64) -> LoaderOptions {
    LoaderOptions { fit: task.fit(), ..shuffled(task.data(), seed, start) }
}

/// The options of a loader that evaluates a task.
pub fn evaluating(task: &dyn Task) -> LoaderOptions {
    LoaderOptions { fit: task.fit(), ..in_order(task.data()) }
}
