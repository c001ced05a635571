//! `mtpret explain`: films with what fine-tuned runs see in them.

mod pictures;

use super::predict::unlabelled;
use crate::{
    Error, Result,
    commands::{options::DeviceArgs, runs::report::column_name, stages::finetuned},
    report::picture::{Cell, Map, MarkedBox, Outcome, Picture, Row, Sheet},
};
use image::GrayImage;
use mtpret_pipeline::{
    data::{self, Dataset, Film, Kind, Loader, Sample},
    export::bundle,
    models::Depth,
    train::{
        Device,
        step::learner::{Learner, depth},
        tasks::{
            self, Compared, FoundBox, Predicted, Task,
            attention::{Attention, GradCam, choose, enlarged},
            loading::evaluating,
        },
    },
    weights,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Show what fine-tuned runs see in films: where a classifier looks (Grad-CAM), predicted masks over
/// their reference, boxes found and missed.
///
/// Runs are columns of one sheet, films its rows; several classes are columns of each run. Without films, some of the first
/// run's test part are shown, half of them positive.
///
/// Example: mtpret explain runs/scratch runs/pneumonia --count 6 -o attention
///
/// Example: mtpret explain runs/chest film.png --class all --random
#[derive(clap::Args)]
pub struct Args {
    /// Folders of fine-tuning runs or bundles of them, then films or folders of films.
    #[arg(required = true, value_name = "RUN|FILM")]
    pub(in crate::commands) paths: Vec<PathBuf>,
    /// The class that attention is shown of; several are columns side by side, `all` is each class of the first run
    /// [default: the positive one of two, else the likeliest].
    #[arg(long, value_delimiter = ',')]
    pub(in crate::commands) class: Vec<String>,
    /// How many films of the test part.
    #[arg(long, default_value_t = 4)]
    pub(in crate::commands) count: usize,
    /// Which films, and the random weights.
    #[arg(long, default_value_t = 0)]
    pub(in crate::commands) seed: u64,
    /// Boxes of a lower probability are left out.
    #[arg(long, default_value_t = 0.5)]
    pub(in crate::commands) score: f64,
    /// Add a column of the first run with random weights: a map that looks the same there says nothing
    /// about what was learnt (Adebayo et al. 2018).
    #[arg(long)]
    pub(in crate::commands) random: bool,
    /// Pixels across a picture.
    #[arg(long, default_value_t = 320)]
    pub(in crate::commands) cell: u32,
    /// Folder of the pictures: `sheet.png`; each overlay in `overlays`; in `maps` each attention as a 16-bit film of the
    /// film's size, 65535 where it is greatest, and `maps.csv`, which says how great that is [default: `explain` in the
    /// first run's folder, or beside the first bundle].
    #[arg(short, long)]
    pub(in crate::commands) output: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::commands) device: DeviceArgs,
}

/// A fine-tuned network and what it was trained for.
pub(in crate::commands) struct Trained {
    pub(in crate::commands) set: Dataset,
    task: Box<dyn Task>,
    depth: Depth,
    learner: Learner,
    gpu: Device,
}

impl Trained {
    /// # Errors
    /// The run has no weights, or its data set is not at hand.
    pub(in crate::commands) fn open(run: &Path, device: &DeviceArgs) -> Result<Self> {
        let config = finetuned(run, None)?;
        let (set, task) = match run.is_file() {
            true => tasks::recalled(run, &config)?,
            false => tasks::open(&config.source, &config.task, config.settings())?,
        };
        let (gpu, depth) = (device.open()?, depth(config.model.backbone));
        let learner = Learner::new(&gpu, depth, &[&*task], false, 0)?;
        learner.load(&gpu, 0, &weights::of(run))?;
        Ok(Self { set, task, depth, learner, gpu })
    }
}

/// What a run says of films, by their paths.
pub(in crate::commands) struct Column {
    name: String,
    /// The class that attention was asked of, by name.
    class: Option<String>,
    pub(in crate::commands) films: BTreeMap<PathBuf, (Compared, Option<Attention>)>,
}

/// Runs the command.
///
/// # Errors
/// A folder without a finished run, a class that a run does not have, or films that cannot be read.
pub fn run(args: &Args) -> Result<()> {
    println!("{}", draw(args)?.display());
    Ok(())
}

/// Draws the sheet and the maps; the sheet's file.
///
/// # Errors
/// As [`run`].
pub(in crate::commands) fn draw(args: &Args) -> Result<PathBuf> {
    let is_bundle = |path: &PathBuf| path.extension().is_some_and(|e| e == bundle::ENDING);
    let is_run = |path: &&PathBuf| path.join("config.resolved.toml").exists() || is_bundle(path);
    let (runs, films): (Vec<&PathBuf>, Vec<_>) = args.paths.iter().partition(is_run);
    let Some(first) = runs.first() else {
        let problem = "expected the folder of a fine-tuning run, found none";
        return Err(Error::data(args.paths[0].display().to_string(), problem, "name one first"));
    };
    let mut trained = Vec::new();
    for run in &runs {
        trained.push((column_name(run, &runs), Trained::open(run, &args.device)?));
    }
    if args.random {
        let mut random = Trained::open(first, &args.device)?;
        random.learner =
            Learner::new(&random.gpu, random.depth, &[&*random.task], false, args.seed)?;
        trained.push(("random weights".into(), random));
    }
    let set = &trained[0].1.set;
    let samples = match films.is_empty() {
        true => {
            let label = match &args.class[..] {
                [only] if only != ALL => Some(label_of(only, set)?),
                _ => None,
            };
            choose(set, &set.test, label, args.count, args.seed)
        }
        false => unlabelled(&films.into_iter().cloned().collect::<Vec<_>>())?,
    };
    if samples.is_empty() {
        let problem = "expected films in the test part, found none whose label is known";
        return Err(Error::data(first.display().to_string(), problem, "name films after the runs"));
    }
    let classes: &[String] = match &args.class[..] {
        [only] if only == ALL => &set.labels.names,
        classes => classes,
    };
    let columns = trained.iter().map(|(name, t)| columns(name, t, &samples, classes, args.score));
    let columns: Vec<Column> = columns.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let beside = match first.is_file() {
        true => first.with_extension("explain"),
        false => first.join("explain"),
    };
    let folder = args.output.clone().unwrap_or(beside);
    pictures::write(&folder, &columns, &samples)?;
    let file = folder.join("sheet.png");
    sheet(&columns, &samples, args)?.save(&file)?;
    Ok(file)
}

/// Stands for every class of the first run.
const ALL: &str = "all";

/// The number of a class.
fn label_of(class: &str, set: &Dataset) -> Result<usize> {
    let names = &set.labels.names;
    let label = names.iter().position(|name| name == class);
    label.filter(|_| matches!(set.labels.kind, Kind::Classes | Kind::Multi)).ok_or_else(|| {
        let problem = format!("expected one of {names:?}, found `{class}`");
        Error::config("--class", problem, "name a class of the run, or `all`")
    })
}

/// What a run says of films: a column for each class that attention is asked of, one of its own choice without any.
///
/// # Errors
/// A class that the run does not have, or films that cannot be read.
pub(in crate::commands) fn columns(
    name: &str,
    t: &Trained,
    samples: &[Sample],
    classes: &[String],
    least: f64,
) -> Result<Vec<Column>> {
    let labels = classes.iter().map(|class| label_of(class, &t.set)).collect::<Result<Vec<_>>>()?;
    // What is known of a film is what this run's own data set knows.
    let known = [&t.set.train, &t.set.val, &t.set.test].into_iter().flatten();
    let known: BTreeMap<&Path, &Sample> = known.map(|s| (&*s.path, s)).collect();
    // The loader takes films that are annotated alike, so that it is given none of what is known.
    let bare = |s: &Sample| Sample { target: Vec::new().into(), ..s.clone() };
    let bare: Vec<Sample> = samples.iter().map(bare).collect();
    let mut loader = Loader::new(bare.clone(), evaluating(&*t.task))?;
    let mut compared = BTreeMap::new();
    t.learner.inference(&t.gpu, &*t.task, 0)?.run(&mut loader, &bare, |predicted| {
        let path = &predicted.sample.path;
        let sample = known.get(&**path).copied().unwrap_or(predicted.sample);
        let found = t.task.compare(&Predicted { sample, ..*predicted }, least)?;
        compared.insert(path.clone(), found);
        Ok(())
    })?;
    if labels.is_empty() {
        return Ok(vec![column(name, t, &bare, compared, None)?]);
    }
    let of = |label: usize| {
        let class = &t.set.labels.names[label];
        let name = if labels.len() > 1 { format!("{name}: {class}") } else { name.to_owned() };
        column(&name, t, &bare, compared.clone(), Some(label))
    };
    labels.iter().map(|label| of(*label)).collect()
}

/// A column of films that were compared, with the attention to a label or to the one of interest.
fn column(
    name: &str,
    t: &Trained,
    samples: &[Sample],
    mut compared: BTreeMap<PathBuf, Compared>,
    label: Option<usize>,
) -> Result<Column> {
    for found in compared.values_mut() {
        if let (Compared::Labels { chosen, .. }, Some(label)) = (found, label) {
            *chosen = label;
        }
    }
    let asked = |s: &Sample| match compared.get(&s.path)? {
        Compared::Labels { chosen, .. } => Some((s.clone(), *chosen)),
        _ => None,
    };
    let asked: Vec<(Sample, usize)> = samples.iter().filter_map(asked).collect();
    let mut maps = BTreeMap::new();
    if !asked.is_empty() {
        GradCam::new(&t.gpu, &t.learner, &*t.task)?.run(&asked, |predicted, map| {
            maps.insert(predicted.sample.path.clone(), enlarged(&map, predicted.size));
            Ok(())
        })?;
    }
    let both = compared.into_iter().map(|(path, found)| {
        let map = maps.remove(&path);
        (path, (found, map))
    });
    let class = label.map(|label| t.set.labels.names[label].clone());
    Ok(Column { name: name.into(), class, films: both.collect() })
}

fn sheet(columns: &[Column], samples: &[Sample], args: &Args) -> Result<Sheet> {
    let mut rows = Vec::new();
    for sample in samples {
        let film = grey(&sample.path)?;
        let cell = |column: &Column| column.films.get(&sample.path).map(|(c, m)| cell(&film, c, m));
        let file = sample.path.file_name().unwrap_or_default().to_string_lossy();
        let truth = columns[0].films.get(&sample.path).and_then(|(compared, _)| truth(compared));
        rows.push(Row {
            name: truth.map_or(file.to_string(), |truth| format!("{file}: {truth}")),
            cells: columns.iter().map(cell).collect(),
        });
    }
    let attention = columns.iter().any(|c| c.films.values().any(|(_, map)| map.is_some()));
    let note = match attention {
        true => {
            "Grad-CAM at C5 (Selvaraju et al. 2017); each map is divided by its own greatest value."
        }
        false => "",
    };
    Ok(Sheet {
        title: title(columns),
        columns: columns.iter().map(|c| c.name.clone()).collect(),
        rows,
        note: format!("{note} Not for diagnostic use.").trim().to_owned(),
        cell: args.cell,
    })
}

fn title(columns: &[Column]) -> String {
    let all: Vec<&Compared> =
        columns.iter().flat_map(|c| c.films.values().map(|(compared, _)| compared)).collect();
    let of = |compared: &Compared| match compared {
        Compared::Labels { names, chosen, .. } => format!("Attention to {}", names[*chosen]),
        Compared::Mask { .. } => "Predicted masks".into(),
        Compared::Boxes { .. } => "Predicted boxes".into(),
    };
    match all.first().map(|first| of(first)) {
        Some(title) if all.iter().all(|compared| of(compared) == title) => title,
        Some(_) if all.iter().all(|c| matches!(c, Compared::Labels { .. })) => {
            "Attention to the likeliest class".into()
        }
        _ => "Predictions".into(),
    }
}

/// What is true of a film, in words.
pub(in crate::commands) fn truth(compared: &Compared) -> Option<String> {
    match compared {
        Compared::Labels { present: Some(present), .. } => Some(match present.is_empty() {
            true => "no finding".into(),
            false => present.join(", "),
        }),
        Compared::Boxes { found, missed } if found.iter().all(|(_, right)| right.is_some()) => {
            let there =
                found.iter().filter(|(_, right)| *right == Some(true)).count() + missed.len();
            Some(match there {
                0 => "no box".into(),
                1 => "1 box".into(),
                there => format!("{there} boxes"),
            })
        }
        _ => None,
    }
}

/// A film as a picture.
pub(in crate::commands) fn grey(path: &Path) -> Result<GrayImage> {
    let Film { width, height, pixels } = data::decode(path)?;
    let grey = pixels.into_iter().map(|v| v.round() as u8).collect();
    let film = GrayImage::from_raw(width as u32, height as u32, grey);
    Ok(film.expect("a film has a value for each pixel"))
}

/// A film under what a run says of it.
pub(in crate::commands) fn cell(
    film: &GrayImage,
    compared: &Compared,
    map: &Option<Attention>,
) -> Cell {
    let film = film.clone();
    match compared {
        Compared::Labels { names, probabilities, chosen, right, .. } => Cell {
            picture: match map {
                Some(map) => Picture::attention(film, map.clone()),
                None => Picture::film(film),
            },
            caption: format!("{} {:.2}", names[*chosen], probabilities[*chosen]),
            right: right[*chosen],
        },
        Compared::Mask { size: [width, height], found, wanted, dice, .. } => {
            let map = |mask: &[bool]| {
                let values = mask.iter().map(|v| f32::from(u8::from(*v))).collect();
                Map::from_raw(*width as u32, *height as u32, values).expect("a mask of that size")
            };
            let share = found.iter().filter(|v| **v).count() as f64 / found.len().max(1) as f64;
            let (picture, caption) = match (wanted, dice) {
                (None, _) => {
                    (Picture::mask(film, map(found)), format!("{:.1} % of the film", 100.0 * share))
                }
                (Some(wanted), dice) => {
                    let caption = dice.map_or("Dice –".into(), |dice| format!("Dice {dice:.2}"));
                    (Picture::segmentation(film, map(wanted), map(found)), caption)
                }
            };
            Cell { picture, caption, right: None }
        }
        Compared::Boxes { found, missed } => {
            let outcome = |right: &Option<bool>| match right {
                None => Outcome::Unjudged,
                Some(true) => Outcome::Found,
                Some(false) => Outcome::False,
            };
            let found = found.iter().map(|(b, right)| (b, outcome(right)));
            let all: Vec<_> = found.chain(missed.iter().map(|b| (b, Outcome::Missed))).collect();
            let count = |of: Outcome| all.iter().filter(|(_, outcome)| *outcome == of).count();
            let caption = match count(Outcome::Unjudged) {
                0 => {
                    let [found, wrong, missed] =
                        [Outcome::Found, Outcome::False, Outcome::Missed].map(count);
                    format!("{found} found, {wrong} false, {missed} missed")
                }
                1 => "1 box".into(),
                boxes => format!("{boxes} boxes"),
            };
            let boxes = all.iter().map(|(b, outcome)| marked(b, *outcome)).collect();
            Cell { picture: Picture::detection(film, boxes), caption, right: None }
        }
    }
}

fn marked(b: &FoundBox, outcome: Outcome) -> MarkedBox {
    let label = match b.score {
        Some(score) => format!("{} {score:.2}", b.class),
        None => b.class.clone(),
    };
    MarkedBox { corners: b.corners.map(|corner| corner as f32), outcome, label }
}
