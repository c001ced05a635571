//! Reading of a source to a data set.

use crate::{
    Result,
    data::{
        Dataset, Roots,
        dataset::{
            listing::{Flaw, Level, by_kind, first_error},
            source::{Format, Source},
            split, split_file,
        },
        formats::{coco, folder, marks, nih, openi, pairs, suffix, table, voc, yolo},
    },
};

impl Source {
    /// Finds and labels the films and divides them. No image is opened. A known data set without
    /// a root is sought as [`Roots::from_env`] says.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for settings that contradict one another; [`crate::Error::Data`] or
    /// [`crate::Error::Io`] for a missing folder, table or annotation, an empty class, an unknown column,
    /// a label, box or outline that cannot be read or lies outside, a path out of the root, a
    /// missing film or mask, a patient in two parts, a film that is not the one that `splits` was written for.
    pub fn read(&self) -> Result<Dataset> {
        if self.known.is_some() && self.format.is_none() {
            let mut found = self.clone();
            found.locate(&Roots::from_env())?;
            return found.read();
        }
        let (mut dataset, flaws) = self.survey()?;
        dataset.warnings = by_kind(flaws.iter().filter(|flaw| flaw.level == Level::Warning));
        match (first_error(flaws), &self.splits) {
            (Some(error), _) => Err(error),
            (None, Some(file)) => split_file::verify(self, file).map(|()| dataset),
            (None, None) => Ok(dataset),
        }
    }

    /// Reads as [`Source::read`], but gives everything that is wrong with single films, rows and marks beside the data
    /// set without them.
    ///
    /// # Errors
    /// What leaves no data set to speak of.
    pub fn survey(&self) -> Result<(Dataset, Vec<Flaw>)> {
        let format = self.check()?;
        let listing = match format {
            Format::Folder => folder::read(self)?,
            Format::Csv => table::read(self)?,
            Format::Nih => nih::read(self)?,
            Format::Suffix => suffix::read(self)?,
            Format::Masks => pairs::read(self)?,
            Format::Coco => coco::read(self)?,
            Format::Voc => voc::read(self)?,
            Format::Yolo => yolo::read(self)?,
            Format::Openi => openi::read(self)?,
            Format::BoxCsv => marks::box_csv::read(self)?,
            Format::RleCsv => marks::rle_csv::read(self)?,
        };
        split::divide(self, listing)
    }
}
