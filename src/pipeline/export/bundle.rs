//! Bundles: a fine-tuned network in one file, with what is needed to use it and to know where it comes from.
//!
//! It is a safetensors file. The tensors are the network's, under torchvision's names; the metadata says the labels
//! (`kind`, `labels`, `positive`), how a film is prepared (`width`, `mean`, `resize` …), the configuration (`config`), the
//! figures (`metrics`), what it was trained and tested on (`data`) and which program made it. A checksum covers it all.
//! It may come from anywhere: no path in it is followed, and nothing is read before its header fits.

use crate::{
    Error, Result,
    data::{Dataset, Digest},
    train::{
        config::{self, Finetune},
        stages::finetune,
        tasks,
    },
    weights::{
        self, BUNDLE,
        checkpoint::{self, CHECKSUM, Metadata},
    },
};
use mtpret_engine::error::Place;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// End of the names of bundles.
pub const ENDING: &str = "mtpret";
/// The number of the layout that this program writes and reads.
const VERSION: &str = "1";
/// Keys that a bundle's metadata must hold.
const NEEDED: [&str; 5] = ["kind", "labels", "config", "metrics", CHECKSUM];
const AGAIN: &str = "copy it again from where it was whole, or make it anew: mtpret bundle RUN";

/// Digests of the films that a network was trained, chosen and tested on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Films learned from.
    pub train: Digest,
    /// Films chosen by.
    pub val: Digest,
    /// Films reported on.
    pub test: Digest,
}

impl Parts {
    /// The digests of a data set's parts.
    ///
    /// # Errors
    /// A film that cannot be read.
    pub fn of(set: &Dataset) -> Result<Self> {
        let [train, val, test] = [&set.train, &set.val, &set.test].map(|films| Digest::of(films));
        Ok(Self { train: train?, val: val?, test: test? })
    }
}

/// The configuration of a fine-tuned network, by its run folder or bundle, with `overrides` put in.
///
/// # Errors
/// It cannot be read, or the bundle is damaged or of a newer program.
pub fn config(path: &Path, overrides: &[String]) -> Result<Finetune> {
    if !path.is_file() {
        return config::load(&path.join("config.resolved.toml"), overrides);
    }
    let metadata = metadata(path)?;
    let config: Finetune =
        config::parse(&metadata["config"], Place::from(path).item("config"), overrides)?;
    match config.source.iter().find_map(|source| source.stray()) {
        Some(stray) => {
            let (place, found) = (Place::from(path).item("config"), format!("{stray:?}"));
            Err(Error::weights(place, "paths below the data set's folder", found, AGAIN))
        }
        None => Ok(config),
    }
}

/// Digests of the films that the network of a bundle was trained and tested on; none if it was made
/// without the films.
///
/// # Errors
/// As [`config()`].
pub fn parts(path: &Path) -> Result<Option<Parts>> {
    let metadata = metadata(path)?;
    let parse = |text: &String| serde_json::from_str(text);
    metadata.get("data").map(parse).transpose().map_err(|fault| {
        let (place, found) = (Place::from(path).item("data"), format!("other text ({fault})"));
        Error::weights(place, "the digests of three parts", found, AGAIN)
    })
}

/// The metadata of a bundle, once all that must be there is there.
fn metadata(path: &Path) -> Result<Metadata> {
    let metadata = checkpoint::metadata(path)?;
    let fault =
        |expected: &str, found: &str, mend| Err(Error::weights(path, expected, found, mend));
    match metadata.get(BUNDLE).map(String::as_str) {
        Some(VERSION) => {}
        Some(other) => {
            let expected = format!("a bundle of layout {VERSION}");
            let mend = "use the mtpret that made it, or a newer one";
            return fault(&expected, &format!("{other:?}"), mend);
        }
        None => {
            let mend = "make a bundle of the run: mtpret bundle RUN";
            return fault("a run folder or a bundle", "weights alone", mend);
        }
    }
    match NEEDED.iter().find(|key| !metadata.contains_key(**key)) {
        Some(key) => fault(&format!("`{key}` in the metadata"), "none", AGAIN),
        None if tasks::means(&metadata) => Ok(metadata),
        None => fault("a kind and a list of labels", "neither", AGAIN),
    }
}

/// Summary of a bundle that was written.
pub struct BundleSummary {
    /// Number of bytes of the file.
    pub bytes: u64,
    /// Digests of the films that the network was trained and tested on, if that was asked for.
    pub parts: Option<Parts>,
}

/// Writes the bundle of a finished fine-tuning run to `to`; with `hashed`, films are read for their digests.
///
/// # Errors
/// The run is not finished, its films are gone, or the file cannot be written.
pub fn write(run: &Path, to: &Path, hashed: bool) -> Result<BundleSummary> {
    let mut config: Finetune = config(run, &[])?;
    let (tensors, mut metadata) = checkpoint::read(&weights::of(run), None)?;
    let (set, task) = match hashed {
        true => tasks::open(&config.source, &config.task, config.settings())?,
        false => tasks::recalled(run, &config)?,
    };
    let parts = hashed.then(|| Parts::of(&set)).transpose()?;
    metadata.extend(tasks::preparation(&*task));
    config.source.retain(|source| source.name == config.task);
    config.source.iter_mut().for_each(|source| *source = source.portable());
    config.model.weights = None;
    config.data.pack = None;
    let metrics = json!({
        "validation": finetune::best_of(run), "test": read_json(&run.join("scores.json"))?,
    });
    let own = [
        (BUNDLE, VERSION.to_owned()),
        ("program", concat!("mtpret ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("notice", "not for diagnostic use".to_owned()),
        ("config", config::resolved(&config)?),
        ("metrics", metrics.to_string()),
    ];
    metadata.extend(own.map(|(key, value)| (key.to_owned(), value)));
    if let Some(parts) = &parts {
        let text = serde_json::to_string(parts).expect("digests are plain data");
        metadata.insert("data".into(), text);
    }
    weights::save(to, tensors, metadata)?;
    Ok(BundleSummary { bytes: fs::metadata(to).map_or(0, |file| file.len()), parts })
}

fn read_json(path: &Path) -> Result<Value> {
    let mend = "finish the run, or measure it: mtpret evaluate RUN";
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e, mend))?;
    serde_json::from_str(&text).map_err(|fault| {
        let place = Place::from(path).line(fault.line() as u64);
        Error::data(place, "figures in JSON", format!("other text ({fault})"), mend)
    })
}
