//! Initialisations: where a backbone's first weights come from.

use crate::train::file_name::legal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A column of the paper's tables: where a backbone's first weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// Kaiming's initialisation.
    Scratch,
    /// Weights trained on ImageNet, from a file.
    Imagenet,
    /// SimCLR on the single source.
    SdSimclr,
    /// SimCLR on all sources.
    MdSimclr,
    /// MoCo on the single source.
    SdMoco,
    /// MoCo on all sources.
    MdMoco,
    /// MoCo on all sources, from ImageNet's weights.
    #[serde(rename = "md-moco++")]
    MdMocoPlus,
    /// All three stages without L²-SP and without the cyclic, reshuffled schedule (§III-B).
    #[serde(rename = "mtpret--")]
    MtpretMinus,
    /// All three stages.
    Mtpret,
    /// MoCo on the single source, from ImageNet's weights (Sowrirajan et al. 2021).
    MocoCxr,
}

impl Column {
    /// All of them, in the tables' order.
    pub const ALL: [Self; 10] = [
        Self::Scratch,
        Self::Imagenet,
        Self::SdSimclr,
        Self::MdSimclr,
        Self::SdMoco,
        Self::MdMoco,
        Self::MdMocoPlus,
        Self::MtpretMinus,
        Self::Mtpret,
        Self::MocoCxr,
    ];
    /// As the paper's tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scratch => "Scratch",
            Self::Imagenet => "ImageNet",
            Self::SdSimclr => "SD-SimCLR",
            Self::MdSimclr => "MD-SimCLR",
            Self::SdMoco => "SD-MoCo",
            Self::MdMoco => "MD-MoCo",
            Self::MdMocoPlus => "MD-MoCo++",
            Self::MtpretMinus => "MTPret--",
            Self::Mtpret => "MTPret",
            Self::MocoCxr => "MoCo-CXR",
        }
    }
}

/// An initialisation: a column of the tables, MTPret with one part left out, or with other settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Init {
    /// A column.
    Column(Column),
    /// MTPret without L²-SP.
    NoL2sp,
    /// MTPret at a constant rate.
    NoCycle,
    /// MTPret with the tasks always in the same order.
    NoReshuffle,
    /// MTPret without this task in its second stage.
    NoTask(String),
    /// MTPret with other settings, by the name that the configuration gives them.
    Variant(String),
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Column(column) => f.write_str(column.name()),
            Self::NoL2sp => f.write_str("without L2-SP"),
            Self::NoCycle => f.write_str("without the cyclic rate"),
            Self::NoReshuffle => f.write_str("without reshuffling"),
            Self::NoTask(task) => write!(f, "without {task}"),
            Self::Variant(name) => f.write_str(name),
        }
    }
}

impl Init {
    /// Its name in paths.
    pub fn slug(&self) -> String {
        match self {
            // Two data sets have two folders: no two names are the same but for case.
            Self::NoTask(task) => format!("without-{}", legal(task).to_lowercase()),
            other => other.to_string().to_lowercase().replace(' ', "-"),
        }
    }
}
