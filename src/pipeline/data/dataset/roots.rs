//! Purposes of data sets, and the folders in which data sets lie.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Purpose of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Classification: classes or findings.
    Classify,
    /// Segmentation: masks.
    Segment,
    /// Detection: boxes.
    Detect,
    /// Pretraining: films alone.
    Pretrain,
}

/// Folders of data sets: one by one, or side by side in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    /// The folder of a data set, by its name in the catalogue.
    #[serde(flatten)]
    pub sets: BTreeMap<String, PathBuf>,
    /// Folders that hold data sets side by side, the first sought first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<PathBuf>,
}

impl Roots {
    /// The folder that the environment variable `MTPRET_DATA` names.
    pub fn from_env() -> Self {
        let folders = std::env::var_os("MTPRET_DATA").map(PathBuf::from).into_iter().collect();
        Self { folders, ..Self::default() }
    }
}
