//! Figures that the paper reports: Tables II, III, IV and VII of Liao et al., "MTPret: Improving X-Ray
//! Image Analytics With Multitask Pretraining", IEEE Transactions on Artificial Intelligence, 2024. In
//! percent.

use super::results::{BackboneRows, Entry, Results, Target};

/// A row of a published table: its name and a figure for each target.
type PublishedRow = (&'static str, &'static [f64]);

/// A table of the paper.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Number of the table.
    pub number: &'static str,
    /// Heading of the table.
    pub title: &'static str,
    /// Data set and metric of each column.
    pub targets: &'static [(&'static str, &'static str)],
    /// Backbones and their rows.
    pub blocks: &'static [(&'static str, &'static [PublishedRow])],
}

impl Published {
    /// The table with the paper's figures and a place beside each for one of our own.
    #[must_use]
    pub fn results(&self) -> Results {
        let target = |&(name, metric): &(&str, &str)| Target {
            name: name.into(),
            metric: metric.into(),
            note: String::new(),
        };
        let row = |&(name, figures): &PublishedRow| {
            let entry = |figure: &f64| Entry { ours: None, paper: Some(*figure) };
            (name.to_owned(), figures.iter().map(entry).collect())
        };
        let block = |&(name, rows): &(&str, &[PublishedRow])| BackboneRows {
            name: name.into(),
            rows: rows.iter().map(row).collect(),
        };
        Results {
            caption: format!("Table {}. {}", self.number, self.title),
            targets: self.targets.iter().map(target).collect(),
            blocks: self.blocks.iter().map(block).collect(),
            notes: Vec::new(),
        }
    }
}

/// The five findings of the CheXpert competition.
const CHEXPERT: &[(&str, &str)] = &[
    ("CheXpert", "AUC Atelectasis"),
    ("CheXpert", "AUC Cardiomegaly"),
    ("CheXpert", "AUC Consolidation"),
    ("CheXpert", "AUC Edema"),
    ("CheXpert", "AUC Pleural Effusion"),
    ("CheXpert", "AUC mean"),
];

/// Table II: overview results for seven tasks using various pretraining algorithms.
#[rustfmt::skip]
pub const TABLE_II: Published = Published {
    number: "II",
    title: "Overview results for seven tasks using various pretraining algorithms",
    targets: &[("NIHCC", "mAUC"), ("Pneumonia", "AUC"), ("MURA", "AUC"), ("Lung", "Dice"), ("TBX", "mAP"), ("CheXpert", "AUC"), ("DeepCovid", "AUC")],
    blocks: &[
        ("ResNet-18", &[
            ("Scratch", &[71.00, 96.59, 86.66, 95.24, 30.71, 82.90, 96.80]),
            ("ImageNet", &[70.84, 96.16, 88.10, 95.26, 29.46, 82.79, 98.98]),
            ("SD-SimCLR", &[74.68, 98.44, 87.19, 95.18, 31.92, 85.76, 99.11]),
            ("MD-SimCLR", &[75.58, 96.73, 87.37, 95.01, 36.36, 85.81, 99.71]),
            ("SD-MoCo", &[76.52, 98.46, 88.06, 95.29, 34.27, 88.11, 99.64]),
            ("MD-MoCo", &[77.97, 98.49, 88.29, 95.31, 36.00, 88.18, 99.95]),
            ("MD-MoCo++", &[78.02, 99.39, 88.15, 95.25, 35.95, 87.43, 99.92]),
            ("MTPret--", &[75.27, 99.51, 88.40, 95.14, 34.70, 87.45, 99.89]),
            ("MTPret", &[79.05, 99.60, 88.52, 95.37, 36.71, 88.52, 99.94]),
        ]),
        ("ResNet-50", &[
            ("Scratch", &[66.05, 96.58, 86.24, 93.52, 23.93, 77.57, 98.13]),
            ("ImageNet", &[72.36, 98.75, 87.92, 94.08, 35.61, 79.26, 98.91]),
            ("SD-SimCLR", &[77.62, 91.80, 87.32, 94.26, 33.26, 77.95, 98.93]),
            ("MD-SimCLR", &[78.05, 92.14, 86.64, 94.38, 35.25, 79.66, 98.44]),
            ("SD-MoCo", &[77.83, 99.29, 87.70, 94.26, 33.28, 87.40, 99.38]),
            ("MD-MoCo", &[79.31, 99.52, 87.95, 94.33, 36.78, 87.23, 99.76]),
            ("MD-MoCo++", &[79.74, 99.49, 87.99, 95.05, 36.52, 88.73, 99.75]),
            ("MTPret--", &[77.20, 99.58, 87.15, 95.04, 35.14, 88.61, 99.71]),
            ("MTPret", &[80.06, 99.72, 88.41, 95.27, 37.83, 89.22, 99.91]),
        ]),
    ],
};

/// Table III: lung segmentation and TB detection using various pretraining algorithms.
#[rustfmt::skip]
pub const TABLE_III: Published = Published {
    number: "III",
    title: "Lung segmentation and TB detection using various pretraining algorithms",
    targets: &[("Lung", "Dice"), ("Lung", "mIoU"), ("TBX", "mAP"), ("TBX", "AP Active"), ("TBX", "AP Latent")],
    blocks: &[
        ("ResNet-18", &[
            ("Scratch", &[95.24, 94.00, 30.71, 56.71, 4.72]),
            ("ImageNet", &[95.26, 94.10, 29.46, 56.27, 2.66]),
            ("SD-SimCLR", &[95.18, 93.97, 31.92, 50.69, 13.14]),
            ("MD-SimCLR", &[95.01, 93.77, 36.36, 66.40, 6.31]),
            ("SD-MoCo", &[95.29, 94.10, 34.27, 56.29, 12.24]),
            ("MD-MoCo", &[95.31, 94.14, 36.00, 67.17, 4.84]),
            ("MD-MoCo++", &[95.25, 94.03, 35.95, 65.19, 6.70]),
            ("MTPret--", &[95.14, 93.90, 34.70, 63.43, 5.97]),
            ("MTPret", &[95.37, 94.22, 36.71, 64.84, 8.59]),
        ]),
        ("ResNet-50", &[
            ("Scratch", &[93.52, 92.03, 23.93, 44.85, 3.01]),
            ("ImageNet", &[94.08, 92.65, 35.61, 58.81, 12.42]),
            ("SD-SimCLR", &[94.26, 92.88, 33.26, 57.89, 8.62]),
            ("MD-SimCLR", &[94.38, 93.00, 35.25, 57.15, 13.36]),
            ("SD-MoCo", &[94.26, 92.86, 33.28, 62.23, 4.32]),
            ("MD-MoCo", &[94.33, 93.04, 36.78, 64.37, 9.18]),
            ("MD-MoCo++", &[95.05, 93.79, 36.52, 62.22, 10.82]),
            ("MTPret--", &[95.04, 93.82, 35.14, 57.32, 12.97]),
            ("MTPret", &[95.27, 94.10, 37.83, 63.46, 12.21]),
        ]),
    ],
};

/// Table IV: CheXpert using various pretraining algorithms.
#[rustfmt::skip]
pub const TABLE_IV: Published = Published {
    number: "IV",
    title: "CheXpert using various pretraining algorithms",
    targets: CHEXPERT,
    blocks: &[
        ("ResNet-18", &[
            ("Scratch", &[79.73, 77.12, 87.98, 86.29, 83.40, 82.90]),
            ("ImageNet", &[77.55, 77.93, 89.28, 86.76, 82.45, 82.79]),
            ("SD-SimCLR", &[81.73, 82.84, 89.65, 87.66, 86.91, 85.76]),
            ("MD-SimCLR", &[81.69, 82.91, 89.45, 88.13, 86.90, 85.81]),
            ("SD-MoCo", &[83.07, 83.91, 92.11, 91.47, 90.00, 88.11]),
            ("MD-MoCo", &[81.74, 84.35, 90.90, 92.59, 91.30, 88.18]),
            ("MD-MoCo++", &[79.94, 80.85, 91.60, 93.48, 91.26, 87.43]),
            ("MTPret--", &[82.24, 82.43, 91.31, 91.77, 89.50, 87.45]),
            ("MTPret", &[82.37, 84.92, 93.22, 91.68, 90.42, 88.52]),
        ]),
        ("ResNet-50", &[
            ("Scratch", &[73.43, 71.39, 83.99, 82.90, 76.15, 77.57]),
            ("ImageNet", &[73.38, 75.47, 87.67, 80.42, 79.39, 79.26]),
            ("SD-SimCLR", &[73.68, 73.92, 83.13, 83.48, 75.54, 77.95]),
            ("MD-SimCLR", &[71.49, 75.08, 88.46, 82.47, 80.80, 79.66]),
            ("SD-MoCo", &[83.34, 87.30, 89.06, 88.65, 88.65, 87.40]),
            ("MD-MoCo", &[82.78, 84.77, 90.48, 89.48, 88.64, 87.23]),
            ("MD-MoCo++", &[81.28, 85.71, 90.85, 93.94, 91.88, 88.73]),
            ("MTPret--", &[82.04, 86.25, 92.30, 91.68, 90.76, 88.61]),
            ("MTPret", &[82.57, 84.89, 93.38, 92.10, 93.15, 89.22]),
        ]),
    ],
};

/// Table VII: CheXpert, MTPret and other self-supervised learning algorithms.
#[rustfmt::skip]
pub const TABLE_VII: Published = Published {
    number: "VII",
    title: "CheXpert, MTPret and other self-supervised learning algorithms",
    targets: CHEXPERT,
    blocks: &[
        ("ResNet-18", &[
            ("SimCLR", &[80.25, 84.48, 92.40, 86.23, 90.17, 86.71]),
            ("MoCo-CXR", &[84.20, 81.42, 92.61, 89.02, 91.54, 87.76]),
            ("MTPret", &[82.37, 84.92, 93.22, 91.68, 90.42, 88.52]),
        ]),
        ("ResNet-50", &[
            ("SimCLR", &[79.59, 86.47, 91.74, 86.92, 90.57, 87.07]),
            ("MoCo", &[83.86, 79.79, 89.08, 87.36, 90.12, 86.04]),
            ("SwAV", &[85.62, 85.73, 92.12, 88.56, 91.09, 88.62]),
            ("MoCo-CXR", &[81.75, 83.56, 90.98, 85.49, 90.03, 86.36]),
            ("MTPret", &[82.57, 84.89, 93.38, 92.10, 93.15, 89.22]),
        ]),
    ],
};
