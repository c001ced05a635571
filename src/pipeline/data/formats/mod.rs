//! Readers of data sets as they lie on disk: folders, tables, masks and boxes.

pub mod boxes;
pub mod coco;
pub mod csv_table;
pub mod folder;
pub(in crate::data) mod marks;
pub mod nih;
pub mod openi;
pub mod pairs;
pub mod suffix;
pub mod table;
pub(in crate::data) mod text;
pub mod voc;
pub mod yolo;
