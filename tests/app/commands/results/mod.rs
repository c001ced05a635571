//! Results of runs: predictions, pages, bundles, weights.

mod bundle;
pub mod chromium;
mod explain;
mod outputs;
mod pages;
mod predict;
mod runs;
mod score;
mod shared;
mod weights;

use super::{
    Place, succeeded,
    training::kinds::{annotated, stage},
};
use std::{fs, path::Path, sync::OnceLock};

/// Films of one kind of task (`classes`, `masks`, `boxes`) with a run of that name, fine-tuned on them. Training is done once
/// for all tests; each has films and run in a folder of its own.
fn trained(kind: &str) -> Place {
    static DONE: [OnceLock<()>; 3] = [const { OnceLock::new() }; 3];
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(kind);
    let at = ["classes", "masks", "boxes"].iter().position(|name| *name == kind).unwrap();
    DONE[at].get_or_init(|| {
        let (place, run) = match kind {
            "classes" => {
                let place = Place::new();
                let run = place.stage("finetune", kind, &[]);
                (place, run)
            }
            _ => {
                let place = annotated();
                let task = format!("task={kind:?}");
                let run = stage(&place, "finetune", kind, &[&task, "epochs=2"]);
                (place, run)
            }
        };
        succeeded(run);
        let _ = fs::remove_dir_all(&kept);
        copy(&place.path(""), &kept, &place.path(""), &kept);
    });
    let place = Place(tempfile::tempdir().unwrap());
    copy(&kept, &place.path(""), &kept, &place.path(""));
    place
}

/// Copies a folder; where its text files name the folder `old`, they name `new` afterwards.
fn copy(from: &Path, to: &Path, old: &Path, new: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target, old, new);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let name = |place: &Path| place.display().to_string().trim_end_matches('/').to_owned();
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => text.replace(&name(old), &name(new)).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        fs::write(target, bytes).unwrap();
    }
}
