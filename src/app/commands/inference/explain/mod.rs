//! `mtpret explain`: films with what fine-tuned runs see in them.

mod pictures;

use super::predict::unlabelled;
use crate::{
    Error, Result,
    commands::{
        options::DeviceArgs,
        runs::found::RunFolder,
        trained::{Trained, column_name},
    },
    report::{
        discretion::Discretion,
        picture::{
            Sheet, SheetRow,
            seen::{cell, grey, truth},
        },
    },
};
use mtpret_pipeline::{
    data::Sample,
    export::bundle,
    train::{
        run::hold,
        tasks::{Compared, attention::choose, explain::Explanation, model::TaskModel},
    },
};
use std::path::PathBuf;

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
    /// Films of the test part that are shown.
    #[arg(long, default_value_t = 4)]
    pub(in crate::commands) count: usize,
    /// Seed of the choice of films and of the random weights.
    #[arg(long, default_value_t = 0)]
    pub(in crate::commands) seed: u64,
    /// Least probability of a box that is shown.
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
    /// Put paths of films as they are on this machine into `maps.csv`: without it they are relative to the data set or to the folder
    /// that was named.
    #[arg(long)]
    pub(in crate::commands) with_ids: bool,
    #[command(flatten)]
    pub(in crate::commands) device: DeviceArgs,
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
        let expected = "the folder of a fine-tuning run";
        return Err(Error::data(&args.paths[0], expected, "none", "name one first"));
    };
    let alone = match args.output.is_none() && first.is_dir() {
        true => Some(hold(first)?),
        false => None,
    };
    alone.iter().filter_map(|(_, left)| left.as_ref()).for_each(|left| eprintln!("{left}"));
    let mut discretion = Discretion::new(args.with_ids);
    runs.iter().for_each(|run| RunFolder::read(run).known_to(&mut discretion));
    films.iter().filter(|path| path.is_dir()).for_each(|folder| discretion.folder(folder));
    let mut trained = Vec::new();
    for run in &runs {
        trained.push((column_name(run, &runs), Trained::open(run, &args.device)?));
    }
    if args.random {
        let mut random = Trained::open(first, &args.device)?;
        random.model =
            TaskModel::new(&random.gpu, random.depth, &[&*random.task], false, args.seed)?;
        trained.push(("random weights".into(), random));
    }
    let set = &trained[0].1.set;
    let samples = match films.is_empty() {
        true => {
            let label = match &args.class[..] {
                [only] if only != ALL => Some(trained[0].1.label_of(only)?),
                _ => None,
            };
            choose(set, &set.test, label, args.count, args.seed)
        }
        false => unlabelled(&films.into_iter().cloned().collect::<Vec<_>>())?,
    };
    if samples.is_empty() {
        let found = "none whose label is known";
        let mend = "name films after the runs";
        return Err(Error::data(*first, "films in the test part", found, mend));
    }
    let classes: &[String] = match &args.class[..] {
        [only] if only == ALL => &set.labels.names,
        classes => classes,
    };
    let columns = trained.iter().map(|(name, t)| t.explain(name, &samples, classes, args.score));
    let columns: Vec<Explanation> =
        columns.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let beside = match first.is_file() {
        true => first.with_extension("explain"),
        false => first.join("explain"),
    };
    let folder = args.output.clone().unwrap_or(beside);
    pictures::write(&folder, &columns, &samples, &discretion)?;
    let file = folder.join("sheet.png");
    sheet(&columns, &samples, args)?.save(&file)?;
    Ok(file)
}

/// Stands for every class of the first run.
const ALL: &str = "all";

fn sheet(columns: &[Explanation], samples: &[Sample], args: &Args) -> Result<Sheet> {
    let mut rows = Vec::new();
    for sample in samples {
        let film = grey(&sample.path)?;
        let cell =
            |column: &Explanation| column.films.get(&sample.path).map(|(c, m)| cell(&film, c, m));
        let file = sample.path.file_name().unwrap_or_default().to_string_lossy();
        let truth = columns[0].films.get(&sample.path).and_then(|(compared, _)| truth(compared));
        rows.push(SheetRow {
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

fn title(columns: &[Explanation]) -> String {
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
