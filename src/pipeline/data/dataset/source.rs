//! The configuration of a data set: where it lies, how it is read and divided.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{class::Class, listing::Part};
use crate::{
    Result,
    data::{Kind, Labels, MaskValues, Purpose, dataset::uncertain::Uncertain},
};

/// Format of a data set: how its films and labels lie on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A folder per class, `root/CLASS/*`, `root/{train,val,test}/CLASS/*` or `root/CLASS/{train,val,test}/*`; masks among
    /// the films are left out.
    Folder,
    /// A table with a row per film and any columns.
    Csv,
    /// NIH ChestX-ray14: `Data_Entry_2017*.csv` and images anywhere below the root.
    Nih,
    /// Films that end in their class, by their own name (Shenzhen's `_0` and `_1`) or that of a
    /// folder (MURA's `study1_positive`), in parts as `folder` has them or without.
    Suffix,
    /// Films and masks in image files.
    Masks,
    /// COCO JSON, for boxes or outlines.
    Coco,
    /// Pascal VOC XML, for boxes.
    Voc,
    /// YOLO text files beside the films' folders (`images/a.png`, `labels/a.txt`), for boxes or outlines.
    Yolo,
    /// Indiana University's chest films (OpenI): reports in `ecgen-radiology/*.xml` or `indiana_reports.csv`, for
    /// normal against abnormal.
    Openi,
    /// A table with a row per box, several rows a film (VinDr-CXR, RSNA pneumonia).
    #[serde(rename = "box_csv")]
    BoxCsv,
    /// A table of run-length codes of masks, several rows a film (SIIM-ACR pneumothorax).
    #[serde(rename = "rle_csv")]
    RleCsv,
}

impl Format {
    /// The name as a configuration has it.
    pub(super) fn name(self) -> String {
        match self {
            Self::BoxCsv => "box_csv".into(),
            Self::RleCsv => "rle_csv".into(),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}

/// Convention by which the numbers of a run-length code count pixels, down the columns of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunLengths {
    /// Pairs `gap length`, from the end of the run before (SIIM).
    Relative,
    /// Pairs `start length`, from the image's first pixel, which is 1.
    Absolute,
}

/// Shape wanted of annotations that hold boxes and outlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnnotationShape {
    /// The boxes.
    #[default]
    Boxes,
    /// Masks of what lies inside the outlines.
    Mask,
}

/// Division of films into training, validation and test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The division that the folders, the split column or NIH's lists give, where a patient in two
    /// parts is an error; a part that is not given is taken out of the training part, patient by
    /// patient.
    #[default]
    Given,
    /// Division by patient, whatever the data set says.
    Patient,
    /// Given division, patients in two parts and all.
    Unchecked,
}

/// A data set to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Source {
    /// Name of the data set in reports.
    pub name: String,
    /// The name of a data set that the program knows ([`crate::data::KNOWN`]). Then every other key has
    /// the value that suits this data set wherever it is left at its default.
    #[serde(default)]
    pub known: Option<String>,
    /// Purpose that the data set is used for, beside `known`, where it serves several.
    #[serde(default)]
    pub task: Option<Purpose>,
    /// Format of the data set; needed without `known`.
    #[serde(default)]
    pub format: Option<Format>,
    /// The folder of the data set, to which all other paths are relative; needed without `known`,
    /// beside which it is found by [`Source::locate`].
    #[serde(default)]
    pub root: PathBuf,
    /// The folder of the films below `root`; the paths of a table or of annotations are relative
    /// to it. Default: `root` itself. `masks`: each `*` in it stands for any letters, and in the patterns of the masks for the
    /// same ones (`images = "*/films"` with `masks = ["*/masks/{}.png"]`); `train`, `val`, `test`, `Tr`, `Ts` there say the part.
    #[serde(default)]
    pub images: PathBuf,
    /// The table, relative to `root` or absolute. Needed for `csv`; for `nih` the default is the
    /// only `Data_Entry*.csv` in `root`.
    pub table: Option<PathBuf>,
    /// `csv`, `box_csv`, `rle_csv`: a second table like `table`, whose films are all for validation.
    pub val_table: Option<PathBuf>,
    /// `csv`, `box_csv`, `rle_csv`: a table like `table`, whose films are all for test.
    pub test_table: Option<PathBuf>,
    /// Whether labels are read; without them every film below the root of a `folder` is taken.
    #[serde(default = "yes")]
    pub labelled: bool,
    /// `csv`: the column of the films' paths, relative to `images`, or to its parent as in tables
    /// whose paths begin with the data set's own folder. Default `path`.
    #[serde(default = "path_column")]
    pub path_column: String,
    /// `csv`: one column of words or whole numbers (classes), or one or several columns of 0, 1
    /// and blank (findings); none means unlabelled. `nih`: the findings wanted; none means all 14.
    #[serde(default)]
    pub label_columns: Vec<String>,
    /// `csv`: as what findings count where a cell is −1, not certain: `ones` (present), `zeros` (absent), `ignore` or
    /// `multiclass` (a further label, `Edema uncertain`), for all of them or by column; −1 in a column without a word is an
    /// error.
    #[serde(default)]
    pub uncertain: Uncertain,
    /// `csv`: a finding is absent where its cell is blank. Default: it is not known.
    #[serde(default)]
    pub blank_is_absent: bool,
    /// `csv`: words that mean that a label is not known, as a blank does; letters count alike, large or small. Default: those
    /// that pandas takes for a blank (`NA`, `N/A`, `NaN`, `None`, `null` …). A word that `classes` names is a class
    /// nonetheless.
    #[serde(default)]
    pub missing_labels: Option<Vec<String>>,
    /// `box_csv`: the columns of a box, two corners `x`, `y` or one with width and height (the third column's name then begins
    /// with `w`). Default: those that are usually called so.
    #[serde(default)]
    pub box_columns: Vec<String>,
    /// `rle_csv`: the column of run-length codes. Default: `EncodedPixels` and the like.
    #[serde(default)]
    pub rle_column: Option<String>,
    /// `rle_csv`: the way in which they count. Default: the one way that fits all of them.
    #[serde(default)]
    pub rle: Option<RunLengths>,
    /// `box_csv`, `rle_csv`: width and height of the annotated images, pixels. Default: as the columns `image_width` and
    /// `image_height` (or `img_…`, or `width` and `height`) say, else each film's own.
    #[serde(default)]
    pub size: Option<[usize; 2]>,
    /// `csv` with one label column: what separates several findings in a cell (`|` in `Effusion|Mass`); `No Finding` is none.
    #[serde(default)]
    pub label_separator: Option<String>,
    /// `csv` with one label column: which of its words are which class; rows of other words count
    /// as unlabelled. `suffix`: which endings of films or folders are which class. `coco`, `voc`: which names
    /// are which class; without it all are. Masks: the name of the foreground.
    #[serde(default)]
    pub classes: Vec<Class>,
    /// `csv`, `box_csv`, `rle_csv`: only rows with these words in these columns.
    #[serde(default)]
    pub only: BTreeMap<String, String>,
    /// `coco`: the JSON files; `train`, `val` or `test` in a name says the part. `voc`: the folders
    /// of the XML files.
    #[serde(default)]
    pub annotations: Vec<PathBuf>,
    /// `coco`: whether boxes or masks are wanted. Default `boxes`.
    #[serde(default)]
    pub shape: AnnotationShape,
    /// `coco`, `voc`: a folder below `root` whose films have nothing on them where no annotation
    /// names them.
    #[serde(default)]
    pub negatives: Option<PathBuf>,
    /// `masks`: the mask of a film, relative to `root`, where `{}` stands for the film's path below `images`
    /// without extension, or its name where no other film is called so (`case_005_0000` may have the mask `case_005`); `A|B` is B where there is no A, and several patterns are united
    /// (`["left/{}.png", "right/{}.png"]`).
    #[serde(default)]
    pub masks: Vec<String>,
    /// `masks`: which values of their pixels are foreground, `values = { foreground = [1, 2], background = [0, 3] }`, as the
    /// files hold them. Default: 255 (what is above 127) on 0, and masks of other values are refused.
    #[serde(default)]
    pub values: Option<MaskValues>,
    /// Whether to leave out, and count, films that a table or an annotation names and the disk
    /// lacks, and films without a mask. Default: they are errors.
    #[serde(default)]
    pub partial: bool,
    /// Class of two whose presence is called positive in all figures. Default: the second in
    /// alphabetical order.
    pub positive: Option<String>,
    /// `csv`, `box_csv`, `rle_csv`: the column of patients; without it the patient is told by the file name.
    pub patient_column: Option<String>,
    /// `csv`, `box_csv`, `rle_csv`: the column that says `train`, `val` or `test`.
    pub split_column: Option<String>,
    /// A table of `mtpret data splits`, relative to `root` or absolute, that says the part of each film; then
    /// the shares and the seed have no say. Every film is held against its hash in the table, which reads all of
    /// them once.
    #[serde(default)]
    pub splits: Option<PathBuf>,
    /// Division into training, validation and test.
    #[serde(default)]
    pub split: Split,
    /// Share of the divided films that goes to validation where it is not given. Default 0.1.
    #[serde(default = "val_share")]
    pub val_share: f64,
    /// Share of the divided films that goes to test where it is not given. Default 0.2.
    #[serde(default = "test_share")]
    pub test_share: f64,
    /// Share of the training part that is learned from, whole patients of each class: the films of a smaller share are
    /// part of a larger one, and validation and test stay as they are. Default 1.
    #[serde(default = "train_share")]
    pub train_share: f64,
    /// Seed of the division by patient, and of [`Source::train_share`]. Default 0.
    #[serde(default)]
    pub seed: u64,
    /// Number of training films if not 0, as many of each class as can be, which are for validation and test
    /// too. Whatever learns should come to fit these without an error.
    #[serde(default)]
    pub overfit: usize,
}

fn yes() -> bool {
    true
}
pub(super) fn path_column() -> String {
    "path".into()
}
fn val_share() -> f64 {
    0.1
}
fn test_share() -> f64 {
    0.2
}
fn train_share() -> f64 {
    1.0
}

impl Source {
    /// A source with every optional setting at its default.
    pub fn new(name: impl Into<String>, format: Format, root: impl Into<PathBuf>) -> Self {
        Self { format: Some(format), root: root.into(), ..Self::named(name) }
    }

    /// A source of the data set that the program knows as `known`.
    pub fn known(name: impl Into<String>, known: &str, task: Option<Purpose>) -> Self {
        Self { known: Some(known.into()), task, ..Self::named(name) }
    }

    /// A source of this name that says nothing else.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            known: None,
            task: None,
            format: None,
            root: PathBuf::new(),
            images: PathBuf::new(),
            table: None,
            val_table: None,
            test_table: None,
            uncertain: Uncertain::default(),
            blank_is_absent: false,
            missing_labels: None,
            label_separator: None,
            box_columns: Vec::new(),
            rle_column: None,
            rle: None,
            size: None,
            classes: Vec::new(),
            only: BTreeMap::new(),
            annotations: Vec::new(),
            shape: AnnotationShape::default(),
            negatives: None,
            masks: Vec::new(),
            values: None,
            partial: false,
            labelled: yes(),
            path_column: path_column(),
            label_columns: Vec::new(),
            positive: None,
            patient_column: None,
            split_column: None,
            splits: None,
            split: Split::default(),
            val_share: val_share(),
            test_share: test_share(),
            train_share: train_share(),
            seed: 0,
            overfit: 0,
        }
    }

    /// The tables, each with the part that all its films are of, where it is a table of one part.
    pub(in crate::data) fn tables(&self) -> Vec<(&Path, Option<Part>)> {
        let of_part = [(&self.val_table, Part::Val), (&self.test_table, Part::Test)];
        let of_part =
            of_part.into_iter().filter_map(|(table, part)| Some((table.as_deref()?, Some(part))));
        std::iter::once((self.table.as_deref().unwrap_or(Path::new("")), None))
            .chain(of_part)
            .collect()
    }

    /// The folder of the films; with a `*` in `images`, that in which the folders lie that fit.
    pub(in crate::data) fn films(&self) -> PathBuf {
        let plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains('*');
        self.root.join(self.images.components().take_while(plain).collect::<PathBuf>())
    }

    /// The labels of a set of masks.
    pub(in crate::data) fn mask_labels(&self) -> Labels {
        let name = self.classes.first().map_or("foreground", |class| &class.name);
        Labels { kind: Kind::Mask, names: vec![name.into()] }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let source = Self::deserialize(from)?;
        if source.known.is_none() && source.format.is_none() {
            return Err(D::Error::missing_field("format"));
        }
        if source.known.is_none() && source.root.as_os_str().is_empty() {
            return Err(D::Error::missing_field("root"));
        }
        Ok(source)
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, into)
    }
}
