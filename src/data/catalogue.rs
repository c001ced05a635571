//! The data sets that the program knows: how each lies on disk and what it serves for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::class::Class;
use super::table::did_you_mean;
use super::{Format, Shape, Source, Split};
use crate::{Error, Result};

/// What a data set is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Classes or findings.
    Classify,
    /// Masks.
    Segment,
    /// Boxes.
    Detect,
    /// Films alone, for pretraining.
    Pretrain,
}

/// A data set that the program knows.
#[derive(Debug)]
pub struct Known {
    /// The name in configurations.
    pub name: &'static str,
    /// Folders below a root in which it may lie, most usual first.
    pub folders: &'static [&'static str],
    /// The data set of the paper whose place it takes; none where the paper has no such task.
    pub paper: Option<&'static str>,
    /// In what it differs from the paper's, for tables; none where it is the paper's own.
    pub note: Option<&'static str>,
    /// What it serves for, the main purpose first. Every set serves [`Purpose::Pretrain`] too.
    pub uses: &'static [Use],
}

/// One use of a data set.
#[derive(Debug)]
pub struct Use {
    /// What for.
    pub purpose: Purpose,
    /// The figure that the paper's tables give for such a task.
    pub metric: &'static str,
    /// Fills in the keys of the source.
    settings: fn(&mut Source),
}

const fn classify(settings: fn(&mut Source)) -> Use {
    Use { purpose: Purpose::Classify, metric: "auc", settings }
}
const fn segment(settings: fn(&mut Source)) -> Use {
    Use { purpose: Purpose::Segment, metric: "dice", settings }
}
const fn detect(settings: fn(&mut Source)) -> Use {
    Use { purpose: Purpose::Detect, metric: "ap50", settings }
}
const fn pretrain(settings: fn(&mut Source)) -> Use {
    Use { purpose: Purpose::Pretrain, metric: "", settings }
}

/// Every data set that the program knows.
pub const KNOWN: &[Known] = &[
    Known {
        name: "pneumonia",
        folders: &["chest_xray", "ChestXRay2017/chest_xray"],
        paper: Some("Pneumonia"),
        note: None,
        uses: &[classify(|s| {
            s.format = Some(Format::Folder);
            s.positive = Some("PNEUMONIA".into());
            // Kermany's own division shares patients between its parts.
            s.split = Split::Patient;
        })],
    },
    Known {
        name: "nih",
        folders: &["NIH", "NIHCC", "ChestX-ray14", "NIH1000"],
        paper: Some("NIHCC"),
        note: None,
        uses: &[classify(|s| s.format = Some(Format::Nih))],
    },
    Known {
        name: "deepcovid",
        folders: &["DeepCovid", "data_upload_v3", "data_upload_v3/data"],
        paper: Some("DeepCovid"),
        note: None,
        uses: &[classify(|s| {
            s.format = Some(Format::Folder);
            s.positive = Some("covid".into());
        })],
    },
    Known {
        name: "covid",
        folders: &["covid-chestxray-dataset"],
        paper: Some("DeepCovid"),
        note: Some(
            "covid-chestxray-dataset (COVID-19 against other findings) in place of DeepCovid",
        ),
        uses: &[classify(covid)],
    },
    Known {
        name: "fracatlas",
        folders: &["FracAtlas"],
        paper: Some("MURA"),
        note: Some("FracAtlas (fractures) in place of MURA"),
        uses: &[
            classify(|s| {
                s.format = Some(Format::Folder);
                s.images = "images".into();
                s.positive = Some("Fractured".into());
            }),
            detect(|s| fracatlas(s, Shape::Boxes)),
            segment(|s| fracatlas(s, Shape::Mask)),
        ],
    },
    Known {
        name: "shenzhen",
        folders: &["Shenzhen", "ChinaSet_AllFiles"],
        paper: Some("Lung"),
        note: Some("Shenzhen alone in place of the lung set of Shenzhen and Montgomery"),
        uses: &[
            segment(|s| {
                s.format = Some(Format::Masks);
                s.images = "CXR_png".into();
                s.masks = vec!["masks/{}_mask.png|mask/{}_mask.png".into()];
                s.classes = vec![Class::new("lung", &[])];
                // As published, 96 of the 662 films have no mask.
                s.partial = true;
            }),
            classify(|s| {
                s.format = Some(Format::Suffix);
                s.images = "CXR_png".into();
                s.classes =
                    vec![Class::new("normal", &["_0"]), Class::new("tuberculosis", &["_1"])];
                s.positive = Some("tuberculosis".into());
            }),
        ],
    },
    Known {
        name: "montgomery",
        folders: &["MontgomerySet", "Montgomery"],
        paper: Some("Lung"),
        note: Some("Montgomery alone in place of the lung set of Shenzhen and Montgomery"),
        uses: &[segment(|s| {
            s.format = Some(Format::Masks);
            s.images = "CXR_png".into();
            s.masks =
                ["left", "right"].map(|side| format!("ManualMask/{side}Mask/{{}}.png")).into();
            s.classes = vec![Class::new("lung", &[])];
        })],
    },
    Known {
        name: "lung",
        folders: &["Lung Segmentation", "data/Lung Segmentation"],
        paper: Some("Lung"),
        note: None,
        uses: &[segment(|s| {
            s.format = Some(Format::Masks);
            s.images = "CXR_png".into();
            s.masks = vec!["masks/{}_mask.png|masks/{}.png".into()];
            s.classes = vec![Class::new("lung", &[])];
            s.partial = true;
        })],
    },
    Known {
        name: "tbx11k",
        folders: &["TBX11K"],
        paper: Some("TBX11K"),
        note: None,
        uses: &[detect(|s| {
            s.format = Some(Format::Coco);
            s.images = "imgs".into();
            s.annotations = ["train", "val"]
                .map(|part| format!("annotations/json/TBX11K_{part}.json").into())
                .into();
            s.classes = vec![
                Class::new("Active", &["ActiveTuberculosis"]),
                Class::new("Latent", &["ObsoletePulmonaryTuberculosis"]),
            ];
        })],
    },
    Known {
        name: "bone-fracture",
        folders: &["BoneFractureYolo8"],
        paper: None,
        note: None,
        uses: &[pretrain(|s| films(s, ""))],
    },
    Known {
        name: "bone-age",
        folders: &["rsna-bone-age"],
        paper: Some("RSNA bone age"),
        note: None,
        uses: &[pretrain(|s| films(s, ""))],
    },
    Known {
        name: "dental",
        folders: &["dental_mlua"],
        paper: None,
        note: None,
        uses: &[pretrain(|s| films(s, "images"))],
    },
];

/// ieee8023's table, whose findings are paths (`Pneumonia/Viral/COVID-19`) or single words; those
/// that say nothing (`todo`, `Unknown`) are left out.
fn covid(s: &mut Source) {
    let other = [
        "Pneumonia",
        "No Finding",
        "SARS",
        "MERS-CoV",
        "Pneumocystis",
        "Streptococcus",
        "Klebsiella",
        "Mycoplasma Bacterial Pneumonia",
        "Varicella",
        "ARDS",
        "E.Coli",
        "Lipoid",
        "Legionella",
        "Bacterial",
        "Influenza",
        "Tuberculosis",
    ];
    s.format = Some(Format::Csv);
    s.images = "images".into();
    s.table = Some("metadata.csv".into());
    s.path_column = "filename".into();
    s.patient_column = Some("patientid".into());
    s.label_columns = vec!["finding".into()];
    s.only = BTreeMap::from([("modality".into(), "X-ray".into())]);
    s.classes = vec![Class::new("COVID-19", &[]), Class::new("other", &other)];
    s.positive = Some("COVID-19".into());
}

fn fracatlas(s: &mut Source, shape: Shape) {
    s.format = Some(Format::Coco);
    s.images = "images".into();
    s.annotations = vec!["Annotations/COCO JSON/COCO_fracture_masks.json".into()];
    s.negatives = Some("images/Non_fractured".into());
    s.classes = vec![Class::new("fracture", &["fractured"])];
    s.shape = shape;
}

/// All films below `images`, without labels and in one part.
fn films(s: &mut Source, images: &str) {
    s.format = Some(Format::Folder);
    s.images = images.into();
    s.labelled = false;
    s.split = Split::Patient;
    (s.val_share, s.test_share) = (0.0, 0.0);
}

impl Known {
    /// The data set of this name.
    ///
    /// # Errors
    /// [`Error::Config`] with the nearest known name.
    pub fn named(name: &str) -> Result<&'static Self> {
        KNOWN.iter().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
            Error::config(
                "known",
                format!("expected one of {}, found {name:?}", names.join(", ")),
                did_you_mean(name, &names),
            )
        })
    }

    /// How it serves for `purpose`; for none given, the main one. For pretraining a set that has
    /// labels serves by its main use, whose labels pretraining does not see.
    ///
    /// # Errors
    /// [`Error::Config`] if it does not serve for that.
    pub fn serves(&self, purpose: Option<Purpose>) -> Result<&'static Use> {
        let uses = self.uses;
        let fits = |one: &&Use| match purpose {
            None | Some(Purpose::Pretrain) => true,
            Some(wanted) => one.purpose == wanted,
        };
        uses.iter().find(fits).ok_or_else(|| {
            let has: Vec<String> =
                uses.iter().map(|one| format!("{:?}", one.purpose).to_lowercase()).collect();
            let wanted = format!("{:?}", purpose.unwrap_or(Purpose::Pretrain)).to_lowercase();
            Error::config(
                format!("known = {:?}, task", self.name),
                format!("expected one of {}, found {wanted}", has.join(", ")),
                "choose another task or another data set",
            )
        })
    }
}

/// Where data sets lie: one by one, or side by side in a folder.
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

    /// The folder of a known data set.
    ///
    /// # Errors
    /// [`Error::Data`] with the places where it was sought.
    pub fn find(&self, known: &Known) -> Result<PathBuf> {
        if let Some(own) = self.sets.get(known.name) {
            return Ok(own.clone());
        }
        let below =
            |folder: &PathBuf| known.folders.iter().map(|f| folder.join(f)).collect::<Vec<_>>();
        let mut places = self.folders.iter().flat_map(below);
        places.find(|place| place.is_dir()).ok_or_else(|| {
            let sought: Vec<String> =
                self.folders.iter().map(|folder| folder.display().to_string()).collect();
            let sought = match sought.as_slice() {
                [] => "no folder of data sets is named".to_string(),
                some => format!("found none below {}", some.join(", ")),
            };
            Error::data(
                format!("data set {}", known.name),
                format!("expected its folder {}, {sought}", known.folders.join(" or ")),
                "name the folder that holds the data sets by --data or MTPRET_DATA, or this one \
                 under [roots]",
            )
        })
    }
}

impl Source {
    /// Fills in, for a known data set, its root and every key that was left at its default; leaves
    /// any other source as it is. A second time it changes nothing.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown name or purpose; [`Error::Data`] if it lies nowhere.
    pub fn locate(&mut self, roots: &Roots) -> Result<()> {
        let Some(name) = &self.known else { return Ok(()) };
        let known = Known::named(name)?;
        let mut filled = Self::empty(self.name.clone());
        (known.serves(self.task)?.settings)(&mut filled);
        self.fill(&filled);
        if self.root.as_os_str().is_empty() {
            self.root = roots.find(known)?;
        }
        Ok(())
    }

    /// Takes from `other` what is at its default here.
    fn fill(&mut self, other: &Self) {
        fn take<T: PartialEq + Clone>(to: &mut T, from: &T, default: &T) {
            if to == default {
                to.clone_from(from);
            }
        }
        let none = Self::empty("");
        macro_rules! fill {
            ($($key:ident)*) => { $(take(&mut self.$key, &other.$key, &none.$key);)* };
        }
        fill!(format images table labelled path_column label_columns classes only annotations shape
            negatives masks partial positive patient_column split_column split val_share test_share);
    }
}
