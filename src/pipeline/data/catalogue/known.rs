//! The list of data sets that the program knows.

use std::collections::BTreeMap;

use super::{Known, Note, Use};
use crate::data::{
    AnnotationShape, Class, Format, Policy, Source, Split, Uncertain, dataset::roots::Purpose,
};

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

const fn always(text: &'static str) -> Option<Note> {
    Some(Note { text, folder: None })
}

/// Every data set that the program knows.
pub const KNOWN: &[Known] = &[
    Known {
        name: "pneumonia",
        title: "Kermany's chest films (pneumonia)",
        signs: &["train/NORMAL", "train/PNEUMONIA"],
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
        title: "NIH ChestX-ray14",
        signs: &["Data_Entry*.csv"],
        folders: &["NIH", "NIHCC", "ChestX-ray14", "NIH1000"],
        paper: Some("NIHCC"),
        note: Some(Note {
            folder: Some("NIH1000"),
            text: "NIH1000 (724 films at 64 pixels) in place of NIHCC's 112120",
        }),
        uses: &[classify(|s| s.format = Some(Format::Nih))],
    },
    Known {
        name: "mura",
        title: "MURA",
        signs: &["train/XR_*"],
        folders: &["MURA-v1.1", "MURA"],
        paper: Some("MURA"),
        note: None,
        uses: &[classify(|s| {
            s.format = Some(Format::Suffix);
            s.classes =
                vec![Class::new("normal", &["_negative"]), Class::new("abnormal", &["_positive"])];
            s.positive = Some("abnormal".into());
            // MURA's own test films are not published: a tenth of the training patients, as the
            // paper's share, stands in for them.
            s.test_share = 0.1;
        })],
    },
    Known {
        name: "chexpert",
        title: "CheXpert",
        signs: &["train.csv", "valid.csv", "train/patient*"],
        folders: &["CheXpert-v1.0", "CheXpert-v1.0-small", "CheXpert"],
        paper: Some("CheXpert"),
        note: None,
        uses: &[classify(chexpert)],
    },
    Known {
        name: "deepcovid",
        title: "DeepCovid",
        signs: &["train/covid", "train/non*"],
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
        title: "covid-chestxray-dataset (ieee8023)",
        signs: &["metadata.csv", "images", "annotations|SUMMARY*|README*|docs"],
        folders: &["covid-chestxray-dataset"],
        paper: Some("DeepCovid"),
        note: always(
            "covid-chestxray-dataset (COVID-19 against other findings) in place of DeepCovid",
        ),
        uses: &[classify(covid)],
    },
    Known {
        name: "fracatlas",
        title: "FracAtlas",
        signs: &["images/Fractured", "images/Non_fractured"],
        folders: &["FracAtlas"],
        paper: Some("MURA"),
        note: always("FracAtlas (fractures) in place of MURA"),
        uses: &[
            classify(|s| {
                s.format = Some(Format::Folder);
                s.images = "images".into();
                s.positive = Some("Fractured".into());
            }),
            detect(|s| fracatlas(s, AnnotationShape::Boxes)),
            segment(|s| fracatlas(s, AnnotationShape::Mask)),
        ],
    },
    Known {
        name: "shenzhen",
        title: "the Shenzhen chest films (China set)",
        signs: &["CXR_png/CHNCXR_*"],
        folders: &["Shenzhen", "ChinaSet_AllFiles"],
        paper: Some("Lung"),
        note: always("Shenzhen alone in place of the lung set of Shenzhen and Montgomery"),
        uses: &[
            segment(|s| {
                s.format = Some(Format::Masks);
                s.images = "CXR_png".into();
                s.masks = vec!["masks/{}_mask.png|mask/{}_mask.png".into()];
                s.classes = vec![Class::new("lung", &[])];
                // As published, 96 of the 662 films have no mask.
                s.partial = true;
            }),
            classify(tuberculosis),
            pretrain(|s| films(s, "CXR_png")),
        ],
    },
    Known {
        name: "montgomery",
        title: "the Montgomery chest films",
        signs: &["CXR_png/MCUCXR_*", "ManualMask"],
        folders: &["MontgomerySet", "Montgomery"],
        paper: Some("Lung"),
        note: always("Montgomery alone in place of the lung set of Shenzhen and Montgomery"),
        uses: &[
            segment(|s| {
                s.format = Some(Format::Masks);
                s.images = "CXR_png".into();
                s.masks =
                    ["left", "right"].map(|side| format!("ManualMask/{side}Mask/{{}}.png")).into();
                s.classes = vec![Class::new("lung", &[])];
            }),
            classify(tuberculosis),
            pretrain(|s| films(s, "CXR_png")),
        ],
    },
    Known {
        name: "lung",
        title: "Chest Xray Masks and Labels",
        signs: &["CXR_png/CHNCXR_*", "CXR_png/MCUCXR_*", "masks"],
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
        title: "TBX11K",
        signs: &["imgs", "annotations/json/TBX11K_*"],
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
        title: "BoneFractureYolo8",
        signs: &[],
        folders: &["BoneFractureYolo8"],
        paper: None,
        note: None,
        uses: &[pretrain(|s| films(s, ""))],
    },
    Known {
        name: "bone-age",
        title: "RSNA bone age",
        signs: &["boneage-training-dataset.csv"],
        folders: &["rsna-bone-age"],
        paper: Some("RSNA bone age"),
        note: None,
        uses: &[
            pretrain(|s| films(s, "")),
            classify(|s| {
                s.format = Some(Format::Csv);
                s.images = "boneage-training-dataset".into();
                s.table = Some("boneage-training-dataset.csv".into());
                s.path_column = "id".into();
                s.label_columns = vec!["male".into()];
                s.classes = vec![Class::new("female", &["False"]), Class::new("male", &["True"])];
                s.positive = Some("male".into());
                s.partial = true;
            }),
        ],
    },
    Known {
        name: "indiana",
        title: "Indiana University's chest films (OpenI)",
        signs: &["indiana_reports.csv|ecgen-radiology|NLMCXR_png"],
        folders: &["Indiana", "indiana", "chest-xrays-indiana-university", "NLMCXR_png"],
        paper: Some("Indiana-CXR"),
        note: None,
        uses: &[
            pretrain(|s| films(s, "")),
            classify(|s| {
                s.format = Some(Format::Openi);
                s.partial = true;
                s.positive = Some("abnormal".into());
            }),
        ],
    },
    Known {
        name: "dental",
        title: "dental panoramics",
        signs: &[],
        folders: &["dental_mlua"],
        paper: None,
        note: None,
        uses: &[pretrain(|s| films(s, "images"))],
    },
];

/// Settings for the five findings of CheXpert's competition on frontal films, with LibAUC's mix of
/// what is not certain (DAM, Yuan et al. 2021). The 234 films that radiologists read again are for
/// test, as in the literature; validation comes out of the training films.
fn chexpert(s: &mut Source) {
    let findings = [
        ("Cardiomegaly", Policy::Zeros),
        ("Edema", Policy::Ones),
        ("Consolidation", Policy::Zeros),
        ("Atelectasis", Policy::Ones),
        ("Pleural Effusion", Policy::Zeros),
    ];
    s.format = Some(Format::Csv);
    s.table = Some("train.csv".into());
    s.test_table = Some("valid.csv".into());
    s.path_column = "Path".into();
    s.only = BTreeMap::from([("Frontal/Lateral".into(), "Frontal".into())]);
    s.label_columns = findings.map(|(name, _)| name.into()).into();
    s.uncertain = Uncertain::Each(findings.map(|(name, policy)| (name.into(), policy)).into());
    s.blank_is_absent = true;
}

/// Settings for ieee8023's table, whose findings are paths (`Pneumonia/Viral/COVID-19`) or single
/// words; those that say nothing (`todo`, `Unknown`) are left out.
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

/// Settings for Shenzhen's and Montgomery's films, whose names end in 1 where there is
/// tuberculosis.
fn tuberculosis(s: &mut Source) {
    s.format = Some(Format::Suffix);
    s.images = "CXR_png".into();
    s.classes = vec![Class::new("normal", &["_0"]), Class::new("tuberculosis", &["_1"])];
    s.positive = Some("tuberculosis".into());
}

fn fracatlas(s: &mut Source, shape: AnnotationShape) {
    s.format = Some(Format::Coco);
    s.images = "images".into();
    s.annotations = vec!["Annotations/COCO JSON/COCO_fracture_masks.json".into()];
    s.negatives = Some("images/Non_fractured".into());
    s.classes = vec![Class::new("fracture", &["fractured"])];
    s.shape = shape;
}

/// Settings for all films below `images`, without labels and in one part.
fn films(s: &mut Source, images: &str) {
    s.format = Some(Format::Folder);
    s.images = images.into();
    s.labelled = false;
    s.split = Split::Patient;
    (s.val_share, s.test_share) = (0.0, 0.0);
}
