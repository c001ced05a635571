//! How data sets lie on disk: readers of folders, tables, masks and boxes.

pub mod boxes;
pub mod coco;
pub mod csv_table;
pub mod folder;
pub mod nih;
pub mod openi;
pub mod pairs;
pub mod suffix;
pub mod table;
pub mod voc;
pub mod yolo;
