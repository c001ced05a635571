//! Tables with a row for each mark of a film, of which there may be several or none.

pub(in crate::data) mod box_csv;
pub(in crate::data) mod rle_csv;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;

use super::{
    boxes::{Films, MarkFrame, no_film, row},
    csv_table::{OwnerColumns, Table},
};
use crate::{
    Error, Result,
    data::{
        Labels, Source,
        dataset::{
            given::by_folders,
            listing::{Flaw, Listing, Part, Row},
        },
        film::size::size,
    },
};

pub(in crate::data) use super::boxes::Marks;

/// Names of columns that say the sides of the annotated image, where the source does not.
const SIDES: [[&str; 2]; 3] =
    [["image_width", "image_height"], ["img_width", "img_height"], ["width", "height"]];

/// Names of columns that say who marked a film.
const READERS: [&str; 5] = ["rad_id", "reader", "reader_id", "annotator", "radiologist"];

/// A table of marks, the column of its films, and those of the sides of their images.
struct MarkTable<'a> {
    source: &'a Source,
    table: Table,
    films: usize,
    sides: Option<[usize; 2]>,
    owners: OwnerColumns,
    found: Vec<Found>,
    by_name: HashMap<String, usize>,
    flaws: Vec<Flaw>,
    missing: usize,
    /// The part of all its films, of a table of one part.
    whole: Option<Part>,
}

/// Film that the table names, and the marks on it.
struct Found {
    place: Place,
    /// Path and size of the film; none where it is not there or its size is not known.
    film: Option<(PathBuf, [usize; 2])>,
    /// Patient and part that its rows say.
    owner: Option<(String, Option<Part>)>,
    /// Readers who marked something on it.
    readers: HashSet<String>,
    marks: Marks,
}

/// Kind of flaw where several people marked one film.
pub(in crate::data) const SEVERAL_READERS: &str = "several readers of a film";

impl<'a> MarkTable<'a> {
    /// Reads the source's tables and seeks their films; the columns in `taken` say no sides.
    fn all(source: &'a Source, taken: impl Fn(&Table) -> Vec<usize>) -> Result<Vec<Self>> {
        let on_disk = Films::below(source.films())?;
        let tables = source.tables().into_iter();
        tables.map(|(table, part)| Self::read(source, &on_disk, table, part, &taken)).collect()
    }

    fn read(
        source: &'a Source,
        on_disk: &Films,
        table: &Path,
        whole: Option<Part>,
        taken: impl Fn(&Table) -> Vec<usize>,
    ) -> Result<Self> {
        let mut table = Table::read(source.root.join(table), false)?;
        table.keep_only(source)?;
        let owners = OwnerColumns::of(source, &table)?;
        let (films, taken) = (table.column(&source.path_column)?, taken(&table));
        let named = |name: &str| {
            let column = table.header.iter().position(|c| c.eq_ignore_ascii_case(name));
            column.filter(|column| !taken.contains(column))
        };
        let sides = SIDES.iter().find_map(|[w, h]| Some([named(w)?, named(h)?]));
        let mut marks = Self {
            source,
            table,
            films,
            sides,
            owners,
            found: Vec::new(),
            by_name: HashMap::new(),
            flaws: Vec::new(),
            missing: 0,
            whole,
        };
        for at in 0..marks.table.rows.len() {
            marks.meet(on_disk, at);
        }
        Ok(marks)
    }

    /// Seeks the film of a row where no row above names it.
    fn meet(&mut self, on_disk: &Films, at: usize) {
        let (line, cells) = &self.table.rows[at];
        let (place, name) = (self.table.place(*line), &cells[self.films]);
        if self.by_name.contains_key(name) {
            return;
        }
        let near = Some(self.table.path.as_path());
        let found = on_disk.find_near(&place, name, near).and_then(|film| match film {
            Some(film) => Ok(Some((self.size(&place, cells, &film)?, film))),
            None => Ok(None),
        });
        let film = match found {
            Ok(Some((size, film))) => Some((film, size)),
            Ok(None) if self.source.partial => {
                self.missing += 1;
                None
            }
            Ok(None) => {
                self.flaws.push(no_film(self.source, &place, name));
                None
            }
            Err(error) => {
                self.flaws.push(Flaw::new("unusable annotation", error));
                None
            }
        };
        self.by_name.insert(name.clone(), self.found.len());
        let owner = None;
        self.found.push(Found {
            place,
            film,
            owner,
            readers: HashSet::new(),
            marks: Marks::default(),
        });
    }

    /// The size of the annotated image: of the source, else of the table, else of the film's header.
    fn size(&self, place: &Place, cells: &[String], film: &Path) -> Result<[usize; 2]> {
        let said = match (self.source.size, self.sides) {
            (Some(size), _) => size.map(|side| side.to_string()),
            (None, Some(columns)) => columns.map(|column| cells[column].clone()),
            (None, None) => size(film)?.map(|side| side.to_string()),
        };
        match said.each_ref().map(|side| MarkFrame::side(side.parse().ok()?)) {
            [Some(width), Some(height)] => Ok([width, height]),
            _ => {
                let (expected, found) = ("pixels as sides of the image", format!("{said:?}"));
                Err(Error::data(place, expected, found, "correct the row, or size"))
            }
        }
    }

    /// Adds to the marks of each row's film what `of` finds in the row, and holds what its rows say of it to one another; a fault of
    /// one row leaves the others.
    fn add(&mut self, mut of: impl FnMut(&Place, &[String], [usize; 2], &mut Marks) -> Result<()>) {
        let named =
            |name: &&str| self.table.header.iter().position(|c| c.eq_ignore_ascii_case(name));
        let reader = READERS.iter().find_map(named);
        for (line, cells) in &self.table.rows {
            let found = &mut self.found[self.by_name[&cells[self.films]]];
            let Some((_, size)) = &found.film else { continue };
            let place = self.table.place(*line);
            let error = match self.owners.read(&place, cells, self.whole) {
                Ok(owner) => match &found.owner {
                    Some(known) if *known != owner => Some(Error::data(
                        &place,
                        "the patient and the part that the film's first row says",
                        "others",
                        "say the same in all rows of a film",
                    )),
                    _ => {
                        found.owner = Some(owner);
                        None
                    }
                },
                Err(error) => Some(error),
            };
            self.flaws.extend(error.map(|error| Flaw::new("unusable row", error)));
            let before = found.marks.count();
            let error = of(&place, cells, *size, &mut found.marks).err();
            self.flaws.extend(error.map(|error| Flaw::new("unusable annotation", error)));
            let marked = reader.filter(|_| found.marks.count() > before);
            let who = marked.map(|column| &cells[column]).filter(|who| !who.is_empty());
            found.readers.extend(who.cloned());
        }
        self.flaws.extend(reader.and_then(|column| self.several_readers(column)));
    }

    /// The flaw of films that were marked by several people each (VinDr-CXR's training part, by three), whose marks of
    /// one finding stand beside one another.
    fn several_readers(&self, column: usize) -> Option<Flaw> {
        let shared = self.found.iter().filter(|found| found.readers.len() > 1).count();
        let name = &self.table.header[column];
        let error = Error::data(
            &self.table.path,
            format!("marks of one reader on each film, by the column {name}"),
            format!(
                "marks of several readers on {shared} of the films, so that one finding may be marked several times"
            ),
            format!(
                "join their marks before, or keep one reader's rows, and so films, with only = {{ {name} = \"…\" }}"
            ),
        );
        (shared > 0).then(|| Flaw::warning(SEVERAL_READERS, error))
    }

    fn listing(source: &Source, tables: Vec<Self>, labels: Labels) -> Listing {
        let (mut rows, mut missing, mut flaws) = (Vec::new(), 0, Vec::new());
        for table in tables {
            rows.extend(table.found.into_iter().filter_map(|found| {
                let (film, size) = found.film?;
                let mut row = row(source, film, size, found.marks);
                let (patient, part) = found.owner.unwrap_or_default();
                row.sample.patient = patient;
                Some(Row { place: found.place, part, ..row })
            }));
            missing += table.missing;
            flaws.extend(table.flaws);
        }
        by_folders(source, &mut rows);
        Listing { labels, rows, missing, unlabelled: 0, flaws }
    }
}
