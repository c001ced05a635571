//! What a user writes about a data set.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Dataset, folder, nih, split, table};
use crate::{Error, Result};

/// How the films and labels of a data set lie on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A folder per class, `root/CLASS/*` or `root/{train,val,test}/CLASS/*`.
    Folder,
    /// A table with a row per film and any columns.
    Csv,
    /// NIH ChestX-ray14: `Data_Entry_2017*.csv` and images anywhere below the root.
    Nih,
}

/// How films are divided into training, validation and test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// As the folders, the split column or NIH's lists say, where a patient in two parts is an
    /// error; a part that is not given is taken out of the training part, patient by patient.
    #[default]
    Given,
    /// By patient, whatever the data set says.
    Patient,
    /// As given, patients in two parts and all.
    Unchecked,
}

/// A data set to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A name for reports.
    pub name: String,
    /// How it lies on disk.
    pub format: Format,
    /// The folder that holds the films; paths of a table are relative to it.
    pub root: PathBuf,
    /// The table, relative to `root` or absolute. Needed for `csv`; for `nih` the default is the
    /// only `Data_Entry*.csv` in `root`.
    pub table: Option<PathBuf>,
    /// `false` ignores all labels; of a folder then every film below the root is taken.
    #[serde(default = "yes")]
    pub labelled: bool,
    /// `csv`: the column of the films' paths. Default `path`.
    #[serde(default = "path_column")]
    pub path_column: String,
    /// `csv`: one column of words or whole numbers (classes), or one or several columns of 0, 1
    /// and blank (findings); none means unlabelled. `nih`: the findings wanted; none means all 14.
    #[serde(default)]
    pub label_columns: Vec<String>,
    /// Of two classes, the one whose presence is called positive in all figures. Default: the
    /// second in alphabetical order.
    pub positive: Option<String>,
    /// `csv`: the column of patients; without it the patient is told by the file name.
    pub patient_column: Option<String>,
    /// `csv`: the column that says `train`, `val` or `test`.
    pub split_column: Option<String>,
    /// Who decides on training, validation and test.
    #[serde(default)]
    pub split: Split,
    /// Share of the divided films that goes to validation where it is not given. Default 0.1.
    #[serde(default = "val_share")]
    pub val_share: f64,
    /// Share of the divided films that goes to test where it is not given. Default 0.2.
    #[serde(default = "test_share")]
    pub test_share: f64,
    /// Seed of the division by patient. Default 0.
    #[serde(default)]
    pub seed: u64,
}

fn yes() -> bool {
    true
}
fn path_column() -> String {
    "path".into()
}
fn val_share() -> f64 {
    0.1
}
fn test_share() -> f64 {
    0.2
}

impl Source {
    /// A source with every optional setting at its default.
    pub fn new(name: impl Into<String>, format: Format, root: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            format,
            root: root.into(),
            table: None,
            labelled: yes(),
            path_column: path_column(),
            label_columns: Vec::new(),
            positive: None,
            patient_column: None,
            split_column: None,
            split: Split::default(),
            val_share: val_share(),
            test_share: test_share(),
            seed: 0,
        }
    }

    /// Finds and labels the films and divides them. No image is opened.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that contradict one another; [`Error::Data`] or
    /// [`Error::Io`] for a missing folder or table, an empty class, an unknown column, a label
    /// that cannot be read, a path out of the root, a missing film, a patient in two parts.
    pub fn read(&self) -> Result<Dataset> {
        self.check()?;
        let listing = match self.format {
            Format::Folder => folder::read(self)?,
            Format::Csv => table::read(self)?,
            Format::Nih => nih::read(self)?,
        };
        split::divide(self, listing)
    }

    fn check(&self) -> Result<()> {
        let wrong = |key: &str, problem: String, remedy: &str| {
            Err(Error::config(format!("data set {}, {key}", self.name), problem, remedy))
        };
        for (key, share) in [("val_share", self.val_share), ("test_share", self.test_share)] {
            if !(0.0..1.0).contains(&share) {
                let problem = format!("expected a share from 0 to below 1, found {share}");
                return wrong(key, problem, "write 0.1 for a tenth");
            }
        }
        if self.val_share + self.test_share >= 1.0 {
            let sum = self.val_share + self.test_share;
            let problem =
                format!("val_share and test_share sum to {sum}, nothing is left to train");
            return wrong("test_share", problem, "lower one of them");
        }
        let foreign = match self.format {
            Format::Folder => [
                ("table", self.table.is_some()),
                ("label_columns", !self.label_columns.is_empty()),
                ("patient_column", self.patient_column.is_some()),
                ("split_column", self.split_column.is_some()),
            ]
            .into_iter()
            .find(|(_, set)| *set),
            Format::Nih => [
                ("patient_column", self.patient_column.is_some()),
                ("split_column", self.split_column.is_some()),
            ]
            .into_iter()
            .find(|(_, set)| *set),
            Format::Csv => None,
        };
        if let Some((key, _)) = foreign {
            let problem = format!("the format {:?} does not use this key", self.format);
            return wrong(key, problem.to_lowercase(), "remove it, or set format = \"csv\"");
        }
        if self.format == Format::Csv && self.table.is_none() {
            let problem = "the format csv needs a table, found none".to_string();
            return wrong("table", problem, "name the csv file, relative to root");
        }
        if !self.root.is_dir() {
            return Err(Error::data(
                self.root.display().to_string(),
                format!("expected the folder of data set {}, found none", self.name),
                "correct root, or download the data set there",
            ));
        }
        Ok(())
    }
}
