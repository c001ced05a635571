//! Check for settings of a source that contradict one another.

use super::source::{AnnotationShape, Format, Source, path_column};
use crate::{Error, Result, data::dataset::uncertain::Uncertain};

impl Source {
    /// The keys that are set and that only some formats use.
    fn special(&self) -> [(&'static str, bool, &'static [Format]); 24] {
        use Format::{BoxCsv, Coco, Csv, Masks, Nih, Openi, RleCsv, Suffix, Voc, Yolo};
        [
            ("table", self.table.is_some(), &[Csv, Nih, BoxCsv, RleCsv]),
            ("val_table", self.val_table.is_some(), &[Csv, BoxCsv, RleCsv]),
            ("test_table", self.test_table.is_some(), &[Csv, BoxCsv, RleCsv]),
            ("uncertain", self.uncertain != Uncertain::default(), &[Csv]),
            ("blank_is_absent", self.blank_is_absent, &[Csv]),
            ("missing_labels", self.missing_labels.is_some(), &[Csv, BoxCsv]),
            ("box_columns", !self.box_columns.is_empty(), &[BoxCsv]),
            ("rle_column", self.rle_column.is_some(), &[RleCsv]),
            ("rle", self.rle.is_some(), &[RleCsv]),
            ("size", self.size.is_some(), &[BoxCsv, RleCsv]),
            ("label_separator", self.label_separator.is_some(), &[Csv]),
            ("label_columns", !self.label_columns.is_empty(), &[Csv, Nih, BoxCsv]),
            ("path_column", self.path_column != path_column(), &[Csv, BoxCsv, RleCsv]),
            ("patient_column", self.patient_column.is_some(), &[Csv, BoxCsv, RleCsv]),
            ("split_column", self.split_column.is_some(), &[Csv, BoxCsv, RleCsv]),
            ("only", !self.only.is_empty(), &[Csv, BoxCsv, RleCsv]),
            (
                "classes",
                !self.classes.is_empty(),
                &[Csv, Suffix, Masks, Coco, Voc, Yolo, BoxCsv, RleCsv],
            ),
            ("annotations", !self.annotations.is_empty(), &[Coco, Voc, Yolo]),
            ("negatives", self.negatives.is_some(), &[Coco, Voc]),
            ("shape", self.shape != AnnotationShape::default(), &[Coco, Yolo]),
            ("masks", !self.masks.is_empty(), &[Masks]),
            ("values", self.values.is_some(), &[Masks]),
            ("partial", self.partial, &[Csv, Masks, Coco, Voc, Openi, BoxCsv, RleCsv]),
            ("labelled", !self.labelled, &[Format::Folder, Csv, Nih, Suffix, Openi]),
        ]
    }

    pub(in crate::data) fn check(&self) -> Result<Format> {
        let wrong = |key: &str, expected: String, found: String, mend: &str| {
            Err(Error::config(format!("data set {}, {key}", self.name), expected, found, mend))
        };
        let Some(format) = self.format else {
            return wrong("format", "a format".into(), "none".into(), "add it, or known");
        };
        for (key, share) in [("val_share", self.val_share), ("test_share", self.test_share)] {
            if !(0.0..1.0).contains(&share) {
                let expected = "a share from 0 to below 1".into();
                return wrong(key, expected, share.to_string(), "write 0.1 for a tenth");
            }
        }
        if self.val_share + self.test_share >= 1.0 {
            let sum = self.val_share + self.test_share;
            let expected = "val_share and test_share below 1 together".into();
            let found = format!("{sum}: nothing is left to train");
            return wrong("test_share", expected, found, "lower one of them");
        }
        if !(self.train_share > 0.0 && self.train_share <= 1.0) {
            let (expected, found) = ("a share above 0, to 1".into(), self.train_share.to_string());
            return wrong("train_share", expected, found, "write 0.1 for a tenth");
        }
        let special = self.special();
        let foreign = special.iter().find(|(_, set, users)| *set && !users.contains(&format));
        if let Some((key, _, users)) = foreign {
            let format = format.name();
            let expected = format!("no such key beside format = \"{format}\"");
            let last = users[0].name();
            let mend = format!("remove it, or set format = \"{last}\"");
            return wrong(key, expected, "it".into(), &mend);
        }
        if let Some(values) = &self.values {
            let both = values.foreground.iter().find(|v| values.background.contains(v));
            let found = match (values.foreground.as_slice(), both) {
                ([], _) => Some("none".into()),
                (_, Some(both)) => Some(format!("{both} as foreground and as background")),
                _ => None,
            };
            if let Some(found) = found {
                let expected = "values of the foreground, and others of the background".into();
                let mend = "write values = { foreground = [1], background = [0] }";
                return wrong("values", expected, found, mend);
            }
        }
        let needed = match format {
            Format::Csv | Format::BoxCsv | Format::RleCsv => {
                Some(("table", self.table.is_none(), "name the csv file, relative to root"))
            }
            Format::Suffix => {
                Some(("classes", self.classes.is_empty(), "name the classes and endings"))
            }
            Format::Masks => Some(("masks", self.masks.is_empty(), "write it as \"masks/{}.png\"")),
            Format::Coco => {
                Some(("annotations", self.annotations.is_empty(), "name the JSON files"))
            }
            Format::Voc => Some(("annotations", self.annotations.is_empty(), "name the folder")),
            Format::Folder | Format::Nih | Format::Yolo | Format::Openi => None,
        };
        if let Some((key, true, mend)) = needed {
            let format = format.name();
            let article = if key.ends_with('s') { "" } else { "a " };
            let expected = format!("{article}{key}, which the format {format} needs");
            return wrong(key, expected, "none".into(), mend);
        }
        let films = self.films();
        let absent = [&self.root, &films].into_iter().find(|folder| !folder.is_dir());
        if let Some(absent) = absent {
            return Err(Error::data(
                absent,
                format!("the folder of data set {}", self.name),
                "none",
                "correct root, or download the data set there",
            ));
        }
        Ok(format)
    }
}
