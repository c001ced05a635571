//! Tables and annotations as people write them.

mod cells;
mod encodings;
mod kaggle;
mod named;
mod odd;
