//! `mtpret predict`: what a fine-tuned run finds on films of which nothing is known.

mod overlay;
mod row;

use crate::{
    Error, Result,
    commands::{
        options::DeviceArgs,
        trained::{finetuned, network},
    },
    report::{coco::Mask, discretion::Discretion},
};
use image::DynamicImage;
use indicatif::{ProgressBar, ProgressStyle};
use mtpret_engine::file;
use mtpret_pipeline::{
    data::{self, Kind, Loader, LoaderOptions, Orientation, Sample},
    train::{
        Device,
        file_name::FileNames,
        run::hold_run,
        tasks::{
            self, Compared, FoundBox, Predicted, Task,
            attention::{GradCam, enlarged},
            loading::evaluating,
            model::TaskModel,
            picture,
        },
    },
};
use row::{Found, Row, Seen};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Predict films with a fine-tuned run: probabilities of classes, masks or boxes, as a table, JSON and pictures.
///
/// What the classes are is told by the run's weights: the films that it learnt from are not needed. A film that cannot
/// be read has a row that says why, and the others go on; the exit code is 0 if any film could be predicted. Nothing
/// leaves this machine. Not for diagnostic use.
///
/// Example: mtpret predict runs/pneumonia films/ -o predictions.csv --overlays seen
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a fine-tuning run, or a bundle.
    #[arg(value_name = "RUN|BUNDLE")]
    run: PathBuf,
    /// Films (PNG, JPEG, TIFF, BMP, DICOM), or folders, in which films are looked for at any depth.
    #[arg(required = true)]
    films: Vec<PathBuf>,
    /// Where the table goes; JSON if its name ends in .json [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write JSON instead of a table: COCO's images, categories and annotations in one file, boxes and run-length
    /// coded masks with their scores, probabilities of classes with each image.
    #[arg(long)]
    json: bool,
    /// Draw on each film what was found, into this folder: attention (Grad-CAM), the mask, or boxes.
    #[arg(long, value_name = "DIR")]
    overlays: Option<PathBuf>,
    /// Write each film's mask into this folder, a PNG of the film's own size, white where the foreground is.
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,
    /// Leave out boxes of a lower probability [default: 0.5 on overlays; elsewhere all that the network gives].
    #[arg(long, value_name = "PROBABILITY")]
    score: Option<f64>,
    /// Say where boxes and masks lie on the pixels as the file stores them. Without it they lie on the film as EXIF
    /// turns it to be looked at, which is how films are annotated; most files are not turned.
    #[arg(long)]
    stored: bool,
    /// Put paths as they are on this machine into the table: without it those of films are relative to the folders that were named,
    /// and other absolute ones are last names, so that the table can be handed on.
    #[arg(long)]
    with_ids: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// How the names of a run's tables of films begin.
const OWN_TABLES: [&str; 3] = ["predictions", "films", "targets"];
/// Boxes of a lower probability are not drawn.
const DRAWN: f64 = 0.5;

/// Runs the command.
///
/// # Errors
/// A folder without a finished run, films none of which can be predicted, or a folder that cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let config = finetuned(&args.run, None)?;
    let task = tasks::recall(&args.run, &config)?;
    if args.masks.is_some() && task.labels().kind != Kind::Mask {
        let found = format!("one of {}", task.name());
        let mend = "leave it out, or name another run";
        return Err(Error::config("--masks", "a run that finds masks", found, mend));
    }
    // What cannot be written is said before the work, not after it.
    let parent = args.output.as_deref().and_then(Path::parent);
    for folder in [args.overlays.as_deref(), args.masks.as_deref(), parent].into_iter().flatten() {
        fs::create_dir_all(folder)
            .map_err(|e| Error::io(folder, e, "name a folder that can be written"))?;
    }
    args.keeps_tables()?;
    let mut rows = args.rows();
    args.tells_apart(&rows)?;
    if rows.iter().any(|row| row.outcome.is_none()) {
        let (gpu, model) = network(&args.run, &config, &*task, &args.device)?;
        Predictor { args, task: &*task, gpu: &gpu, model: &model }.fill(&mut rows)?;
    }
    let named = args.output.as_ref().and_then(|path| path.extension());
    let text = match args.json || named.is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        true => row::json(&rows, &*task, args),
        false => row::csv(&rows, task.labels(), args),
    };
    let _held = args.output.as_deref().and_then(Path::parent).map(hold_run).transpose()?;
    match &args.output {
        None => crate::print::data(&text),
        Some(path) => file::put(path, |file| file.write_all(text.as_bytes()))?,
    }
    args.conclude(&rows)
}

impl Args {
    /// What the table says of places.
    fn discretion(&self) -> Discretion {
        let mut discretion = Discretion::new(self.with_ids);
        let folder = |path: &PathBuf| match path.is_dir() {
            true => path.clone(),
            false => path.parent().unwrap_or(path).to_owned(),
        };
        let named = self.films.iter().map(folder);
        named.filter(|folder| !folder.as_os_str().is_empty()).for_each(|f| discretion.folder(&f));
        discretion
    }
    /// Refuses to write over a table of the run, which says what it found on its own films.
    fn keeps_tables(&self) -> Result<()> {
        let Some(output) = &self.output else { return Ok(()) };
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let own = OWN_TABLES.iter().any(|own| name.starts_with(own)) && name.ends_with(".csv");
        let folder = output.parent().and_then(|folder| folder.join(".").canonicalize().ok());
        let of_run = folder.is_some_and(|f| self.run.canonicalize().is_ok_and(|run| run == f));
        if own && of_run && output.exists() {
            let (expected, found) = ("a file that is not the run's own", "one of its tables");
            let mend = "name a file in another folder";
            return Err(Error::config(output, expected, found, mend));
        }
        Ok(())
    }
    /// Refuses films that the table would call alike.
    fn tells_apart(&self, rows: &[Row]) -> Result<()> {
        let discretion = self.discretion();
        let mut met = HashMap::new();
        for row in rows {
            let name = discretion.film(&row.path);
            if let Some(first) = met.insert(name.clone(), &row.path) {
                let found = format!("{name} for {} too", first.display());
                let mend = "name a folder that both lie in, or pass --with-ids";
                return Err(Error::data(&row.path, "a name of its own in the table", found, mend));
            }
        }
        Ok(())
    }
    /// A row for each film, in the order in which they are named and found.
    fn rows(&self) -> Vec<Row> {
        // What an earlier call drew is no film, even if it lies among the films.
        let drawn = [&self.overlays, &self.masks].into_iter().flatten();
        let drawn: Vec<PathBuf> = drawn.filter_map(|folder| folder.canonicalize().ok()).collect();
        let is_drawn = |path: &Path| {
            let path = path.canonicalize();
            path.is_ok_and(|path| drawn.iter().any(|folder| path.starts_with(folder)))
        };
        let mut names = FileNames::default();
        let films = films(&self.films).into_iter().filter(|(path, _)| !is_drawn(path));
        let row = |(path, fault): (PathBuf, Option<Error>)| {
            let outcome = fault.map(|fault| Err(fault.to_string()));
            Row { file: names.of(&path), path, outcome }
        };
        films.map(row).collect()
    }
    /// Says how it went.
    fn conclude(&self, rows: &[Row]) -> Result<()> {
        let bad: Vec<&Row> = rows.iter().filter(|row| row.fault().is_some()).collect();
        if let [first, ..] = bad[..]
            && bad.len() == rows.len()
        {
            let expected = "a film that can be predicted";
            let found = format!("none: {}", first.fault().unwrap_or_default());
            let mend = "name others; each has a row with its error";
            return Err(Error::data(&first.path, expected, found, mend));
        }
        let predicted = rows.len() - bad.len();
        eprint!("{predicted} of {} films predicted", rows.len());
        if !bad.is_empty() {
            eprint!("; why the others were not is in the column `error`");
        }
        let written = [&self.output, &self.overlays, &self.masks].into_iter().flatten();
        let written: Vec<String> = written.map(|path| path.display().to_string()).collect();
        if !written.is_empty() {
            eprint!("; see {}", written.join(", "));
        }
        eprintln!(". Not for diagnostic use.");
        Ok(())
    }
}

/// The films that a person names, and those in folders that a person names, each once; and why something is none.
fn films(paths: &[PathBuf]) -> Vec<(PathBuf, Option<Error>)> {
    let mut all = Vec::new();
    for path in paths {
        let fault = |expected: &str| {
            Error::data(path, expected, "none", "name a film, or a folder of films")
        };
        if !path.is_dir() {
            let missing = || fault("a film or a folder");
            all.push((path.clone(), (!path.exists()).then(missing)));
            continue;
        }
        match data::films_below(path) {
            Ok(films) if films.is_empty() => {
                let expected = "PNG, JPEG, TIFF, BMP or DICOM files in it";
                all.push((path.clone(), Some(fault(expected))));
            }
            Ok(films) => all.extend(films.into_iter().map(|film| (film, None))),
            Err(error) => all.push((path.clone(), Some(error))),
        }
    }
    let mut seen = HashSet::new();
    all.retain(|(path, _)| seen.insert(path.clone()));
    all
}

/// The films that a person names, and those in folders that a person names, of which nothing is known.
///
/// # Errors
/// There is no such film, or no film in such a folder.
pub(in crate::commands) fn unlabelled(paths: &[PathBuf]) -> Result<Vec<Sample>> {
    let sample = |(path, fault): (PathBuf, Option<Error>)| match fault {
        None => Ok(bare(&path)),
        Some(fault) => Err(fault),
    };
    films(paths).into_iter().map(sample).collect()
}

/// A film of which nothing is known.
fn bare(path: &Path) -> Sample {
    let patient = path.display().to_string();
    Sample { path: path.into(), patient, target: Vec::new().into() }
}

/// A run's network, and what is wanted of it.
struct Predictor<'a> {
    args: &'a Args,
    task: &'a dyn Task,
    gpu: &'a Device,
    model: &'a TaskModel,
}

impl Predictor<'_> {
    /// Predicts the films of the rows that are open.
    fn fill(&self, rows: &mut [Row]) -> Result<()> {
        let open = rows.iter().enumerate().filter(|(_, row)| row.outcome.is_none());
        let at: HashMap<PathBuf, usize> = open.map(|(i, row)| (row.path.clone(), i)).collect();
        let open = rows.iter().filter(|row| row.outcome.is_none());
        let samples: Vec<Sample> = open.map(|row| bare(&row.path)).collect();
        // Each film is needed once, so that none is kept.
        let options =
            LoaderOptions { max_bad: samples.len(), cache_bytes: 0, ..evaluating(self.task) };
        let mut loader = Loader::new(samples.clone(), options)?;
        let progress = progress("predicting", samples.len());
        let mut classified = BTreeMap::new();
        let mut inference = self.model.inference(self.gpu, self.task, 0)?;
        inference.run_unchecked(&mut loader, &samples, |predicted| {
            let row = &mut rows[at[&predicted.sample.path]];
            progress.inc(1);
            if let Err(fault) = predicted.finite() {
                row.outcome = Some(Err(fault.to_string()));
                return Ok(());
            }
            let compared = self.task.compare(predicted, 0.0)?;
            row.outcome = Some(Ok(self.seen(predicted, &compared, &row.file)?));
            if let (Compared::Labels { .. }, Some(_)) = (&compared, &self.args.overlays) {
                classified.insert(predicted.sample.path.clone(), compared);
            }
            Ok(())
        })?;
        progress.finish_and_clear();
        for film in loader.bad() {
            rows[at[&film.path]].outcome = Some(Err(film.why));
        }
        match &self.args.overlays {
            Some(folder) if !classified.is_empty() => {
                self.draw_attention(&classified, |film| png(folder, &rows[at[film]].file))
            }
            _ => Ok(()),
        }
    }
    /// What tables say of a film; draws and writes what is asked for but attention.
    fn seen(&self, predicted: &Predicted, compared: &Compared, file: &str) -> Result<Seen> {
        let (args, size) = (self.args, predicted.size);
        let orientation = Orientation::read(&predicted.sample.path);
        let found = match compared {
            Compared::Labels { probabilities, .. } => Found::Labels(probabilities.clone()),
            Compared::Mask { found, score, .. } => {
                let (mask, size) = match args.stored {
                    true => (&orientation.stored_mask(found, size), orientation.upright_size(size)),
                    false => (found, size),
                };
                if let Some(folder) = &args.masks {
                    let picture = DynamicImage::from(picture(mask, size));
                    overlay::write(&folder.join(format!("{file}.png")), &picture)?;
                }
                Found::Mask { mask: Mask::new(mask, size), score: *score }
            }
            Compared::Boxes { found, .. } => {
                let least = args.score.unwrap_or(0.0);
                let boxes = found.iter().map(|(found, _)| found.clone());
                let boxes = boxes.filter(|found| found.score.is_some_and(|score| score >= least));
                Found::Boxes(match args.stored {
                    false => boxes.collect(),
                    true => boxes
                        .map(|found| {
                            let corners = orientation.stored_box(found.corners, size);
                            FoundBox { corners, ..found }
                        })
                        .collect(),
                })
            }
        };
        if let (Found::Mask { .. } | Found::Boxes(_), Some(folder)) = (&found, &args.overlays) {
            let least = args.score.unwrap_or(DRAWN);
            let film = &predicted.sample.path;
            overlay::draw(&png(folder, file), film, &above(compared, least), &None)?;
        }
        let size = if args.stored { orientation.upright_size(size) } else { size };
        Ok(Seen { size, orientation, found })
    }
    /// Draws where a classifier looks, for the label of interest of each film.
    fn draw_attention(
        &self,
        films: &BTreeMap<PathBuf, Compared>,
        file: impl Fn(&Path) -> PathBuf,
    ) -> Result<()> {
        let chosen = |(path, compared): (&PathBuf, &Compared)| match compared {
            Compared::Labels { chosen, .. } => Some((bare(path), *chosen)),
            _ => None,
        };
        let asked: Vec<(Sample, usize)> = films.iter().filter_map(chosen).collect();
        let progress = progress("drawing", asked.len());
        let mut cam = GradCam::new(self.gpu, self.model, self.task)?;
        cam.run(&asked, |predicted, map| {
            let path = &predicted.sample.path;
            let map = enlarged(&map, overlay::fitted(predicted.size));
            overlay::draw(&file(path), path, &films[path], &Some(map))?;
            progress.inc(1);
            Ok(())
        })?;
        progress.finish_and_clear();
        Ok(())
    }
}

/// Boxes of at least this probability; anything else as it is.
fn above(compared: &Compared, least: f64) -> Cow<'_, Compared> {
    let Compared::Boxes { found, missed } = compared else { return Cow::Borrowed(compared) };
    let likely = found.iter().filter(|(found, _)| found.score.is_some_and(|score| score >= least));
    Cow::Owned(Compared::Boxes { found: likely.cloned().collect(), missed: missed.clone() })
}

/// Where a picture of a film lies.
fn png(folder: &Path, file: &str) -> PathBuf {
    folder.join(format!("{file}.png"))
}

/// A bar on standard error, if it is a terminal.
fn progress(what: &'static str, films: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:20} {pos}/{len} films  ETA {eta}");
    ProgressBar::new(films as u64)
        .with_style(style.expect("the template is fixed"))
        .with_prefix(what)
}
