//! Uncertain findings: what one counts as where a reader was not certain (CheXpert's −1; Irvin et
//! al. 2019, §3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Meaning of −1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Finding that is present (U-Ones).
    Ones,
    /// Finding that is absent (U-Zeros).
    Zeros,
    /// Finding that is not known: it is left out of loss and figures (U-Ignore).
    Ignore,
    /// A class of its own beside present and absent (U-MultiClass), asked as two questions: where nobody was certain the
    /// finding itself is not known, and a label of its own (`Policy::asks`) says that. Irvin et al. ask both in one softmax of three;
    /// a finding's probability is in both that of present among present and absent.
    Multiclass,
}

impl Policy {
    /// Whether a label of its own says where a finding is not certain.
    pub(in crate::data) fn asks(self) -> bool {
        self == Self::Multiclass
    }

    /// The target that −1 becomes.
    pub(in crate::data) fn target(self) -> f32 {
        match self {
            Self::Ones => 1.0,
            Self::Zeros => 0.0,
            Self::Ignore | Self::Multiclass => f32::NAN,
        }
    }
}

/// The policies of a table: one for all findings, or one for each that has any −1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Uncertain {
    /// One policy for all.
    All(Policy),
    /// Policies by finding; −1 of another finding is an error.
    Each(BTreeMap<String, Policy>),
}

impl Default for Uncertain {
    fn default() -> Self {
        Self::Each(BTreeMap::new())
    }
}

impl Uncertain {
    /// The policy of a finding, if it has one.
    pub(in crate::data) fn of(&self, finding: &str) -> Option<Policy> {
        match self {
            Self::All(policy) => Some(*policy),
            Self::Each(policies) => policies.get(finding).copied(),
        }
    }

    /// The findings that are named.
    pub(in crate::data) fn findings(&self) -> impl Iterator<Item = &String> {
        let policies = match self {
            Self::All(_) => None,
            Self::Each(policies) => Some(policies.keys()),
        };
        policies.into_iter().flatten()
    }
}
