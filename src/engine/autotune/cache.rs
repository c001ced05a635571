//! Caches on this machine: which kernels were measured to be the fastest, and compiled pipelines.

use crate::{
    error::{Error, Place, Result},
    file,
    gpu::{Gpu, Proof, Tuned, Tuning, dropped},
};
use include_dir::{Dir, include_dir};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

static SHADERS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../shaders");
/// Tuning tables that were measured on adapters that many have.
static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../configs/tuning");

/// Hash of the text of all kernels.
pub fn kernels() -> String {
    fn add(hasher: &mut blake3::Hasher, folder: &Dir) {
        let mut files: Vec<_> = folder.files().collect();
        files.sort_by_key(|file| file.path());
        for file in files {
            hasher.update(file.path().to_string_lossy().as_bytes());
            hasher.update(file.contents());
        }
        folder.dirs().for_each(|folder| add(hasher, folder));
    }
    let mut hasher = blake3::Hasher::new();
    add(&mut hasher, &SHADERS);
    hasher.finalize().to_hex()[..16].to_owned()
}

/// An empty tuning of this adapter, under this driver, with these kernels.
fn fresh(gpu: &Gpu) -> Tuning {
    let adapter = gpu.info().name.clone();
    Tuning { adapter, driver: gpu.driver(), kernels: kernels(), ..Tuning::default() }
}

/// This adapter's tuning file, if anything is kept between runs.
pub fn file(gpu: &Gpu) -> Option<PathBuf> {
    let Tuning { adapter, driver, kernels, .. } = fresh(gpu);
    let key = blake3::hash(format!("{adapter}\n{driver}\n{kernels}").as_bytes()).to_hex();
    Some(gpu.options().cache.as_ref()?.join(format!("tuning-{}.json", &key[..16])))
}

/// The tuning that was measured on this adapter. A tuning file that is damaged, or not of this adapter, is dropped:
/// that goes to [`Gpu::notes`].
///
/// # Errors
/// The system does not let a tuning file be read.
pub fn measured(gpu: &Gpu) -> Result<Tuning> {
    let fresh = fresh(gpu);
    let Some(path) = file(gpu).filter(|path| path.exists()) else { return Ok(fresh) };
    let why = match read(&path) {
        Ok(kept) => match kept.stray(&fresh) {
            None if kept.whole().is_none() => "has no digest".to_owned(),
            None => return Ok(kept),
            Some((what, found, expected)) => {
                format!("holds what was measured with the {what} `{found}`, not `{expected}`")
            }
        },
        Err(fault) => match fault.fault() {
            Some(fault) => format!("is no tuning file but {}", fault.found),
            None => return Err(fault),
        },
    };
    gpu.note(dropped(&path, &why));
    Ok(fresh)
}

/// Reads a tuning file.
///
/// # Errors
/// There is none, or it holds something else.
pub fn read(path: &Path) -> Result<Tuning> {
    let mend = "remove it; `mtpret tune` writes another";
    let bytes = fs::read(path).map_err(|fault| Error::io(path, fault, mend))?;
    let other = |place, found| Err(Error::config(place, "a tuning file", found, mend));
    let tuning: Tuning = match serde_json::from_slice(&bytes) {
        Ok(tuning) => tuning,
        Err(fault) => {
            let place = Place::from(path).line(fault.line() as u64);
            return other(place, format!("other text ({fault})"));
        }
    };
    if tuning.whole() == Some(false) {
        return other(path.into(), "one that is not what was written".to_owned());
    }
    match tuning.problems.iter().find(|(_, tuned)| !tuned.possible()) {
        Some((name, tuned)) => other(Place::from(path).item(name), format!("{tuned:?}")),
        None => Ok(tuning),
    }
}

/// Makes recordings take the kernels that were measured on this adapter, else those of the shipped table for adapters
/// of its name, whatever the driver: to start from, they are better than a rule.
///
/// # Errors
/// The system does not let a tuning file be read.
pub fn load(gpu: &Gpu) -> Result<()> {
    let family = |name: &str| name.split(" (").next().unwrap_or(name).to_owned();
    for shipped in SHIPPED.files() {
        let Ok(table) = serde_json::from_slice::<Tuning>(shipped.contents()) else {
            unreachable!("{}: a test reads every shipped table", shipped.path().display())
        };
        if family(&table.adapter) == family(&gpu.info().name) {
            gpu.adopt(table.problems);
        }
    }
    gpu.adopt(measured(gpu)?.problems);
    Ok(())
}

/// Adds to this adapter's tuning file.
///
/// # Errors
/// It cannot be read or written.
pub fn add(gpu: &Gpu, problems: BTreeMap<String, Tuned>) -> Result<()> {
    gpu.adopt(problems.clone());
    change(gpu, |tuning| tuning.problems.extend(problems))
}

/// Notes in this adapter's tuning file what was found of its products of matrices.
///
/// # Errors
/// It cannot be read or written.
pub(super) fn prove(gpu: &Gpu, proof: Proof) -> Result<()> {
    change(gpu, |tuning| tuning.matrices = Some(proof))
}

fn change(gpu: &Gpu, change: impl FnOnce(&mut Tuning)) -> Result<()> {
    let mut tuning = measured(gpu)?;
    change(&mut tuning);
    match file(gpu) {
        Some(path) => write(&tuning, &path),
        None => Ok(()),
    }
}

/// Writes a tuning file.
///
/// # Errors
/// It cannot be written.
pub fn write(tuning: &Tuning, path: &Path) -> Result<()> {
    folder(path)?;
    file::replace(path, |file| {
        serde_json::to_writer_pretty(&mut *file, &tuning.sealed())?;
        file.write_all(b"\n")
    })
}

/// Takes another's tuning file as this adapter's.
///
/// # Errors
/// It cannot be read, or is of another adapter, driver or other kernels.
pub fn import(gpu: &Gpu, path: &Path) -> Result<usize> {
    let (theirs, ours) = (read(path)?, fresh(gpu));
    if let Some((what, found, expected)) = theirs.stray(&ours) {
        let (expected, found) = (format!("{what} `{expected}`"), format!("`{found}`"));
        let mend = "what is fastest there need not be here: run `mtpret tune`";
        return Err(Error::config(path, expected, found, mend));
    }
    let count = theirs.problems.len();
    add(gpu, theirs.problems)?;
    Ok(count)
}

/// Keeps the pipelines that were compiled, where the driver lets them be kept.
///
/// # Errors
/// They cannot be written.
pub fn keep_pipelines(gpu: &Gpu) -> Result<()> {
    let (Some(kept), Some((name, data))) = (&gpu.options().cache, gpu.compiled()) else {
        return Ok(());
    };
    let path = kept.join(name);
    if fs::read(&path).is_ok_and(|old| old == data) {
        return Ok(());
    }
    folder(&path)?;
    file::replace(&path, |file| file.write_all(&data))
}

fn folder(path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let mend = "name another folder in MTPRET_CACHE";
    fs::create_dir_all(parent).map_err(|fault| Error::io(parent, fault, mend))
}
