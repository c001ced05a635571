//! Networks by name on weights from files, and their settings.

use crate::{Error, Place, Result, commands::faults::unread};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use mtpret_pipeline::{
    models::{
        catalogue::{AUX, Architecture, HeadOptions},
        deeplab::DeepLabOptions,
    },
    train::{
        Device,
        config::{DetectorNorm, Preset},
        on_tensors::{LoadOptions, LoadedNetwork},
    },
    weights::{self, File},
};
use serde::{
    Deserialize,
    de::{IntoDeserializer, value},
};
use std::path::Path;

/// What a DeepLab or a Faster R-CNN can be told.
#[derive(clap::Args)]
pub struct NetworkSettings {
    /// DeepLab: image pixels for one of the last features: 8, 16 or 32.
    #[arg(long, default_value_t = 8)]
    pub output_stride: usize,
    /// DeepLab: pixels between the taps of the three atrous branches [default: 12,24,36 at output stride 8, else 6,12,18].
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    pub rates: Option<Vec<usize>>,
    /// Whose numbers to take where implementations differ.
    #[arg(long, default_value = "torchvision", value_parser = one_of::<Preset>(PRESETS))]
    pub preset: Preset,
    /// Faster R-CNN: train with batch norm by the batch, or frozen.
    #[arg(long, default_value = "train", value_parser = one_of::<DetectorNorm>(NORMS))]
    pub det_bn: DetectorNorm,
    /// Share of features that dropout sets to zero in training.
    #[arg(long, default_value_t = 0.0)]
    pub dropout: f32,
}

/// Presets and the meaning of each.
const PRESETS: [[&str; 2]; 2] =
    [["torchvision", "torchvision's"], ["paddle", "PaddleSeg's and PaddleDetection's"]];

/// Ways of a detector's batch norm and the meaning of each.
const NORMS: [[&str; 2]; 2] =
    [["train", "By the batch"], ["frozen", "By the running statistics, which stay"]];

/// Parser of the values of a setting, by the names that configurations have for them.
fn one_of<T>(known: [[&'static str; 2]; 2]) -> impl TypedValueParser<Value = T>
where
    T: for<'de> Deserialize<'de> + Clone + Send + Sync + 'static,
{
    let known = known.map(|[name, help]| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(known)
        .try_map(|name| T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(name)))
}

impl NetworkSettings {
    /// The options of a network whose weights have an auxiliary head, or not.
    fn options(&self, aux: bool) -> Result<HeadOptions> {
        let refused = |flag: &str, expected: &str, found: String| {
            Error::request(flag, expected, found, "correct it or leave it out")
        };
        if ![8, 16, 32].contains(&self.output_stride) {
            let found = self.output_stride.to_string();
            return Err(refused("--output-stride", "8, 16 or 32", found));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let found = self.dropout.to_string();
            return Err(refused("--dropout", "from 0 to below 1", found));
        }
        let preset = self.preset.deeplab(self.output_stride);
        let rates = match self.rates.as_deref() {
            None => preset.rates,
            Some(&[a, b, c]) if a * b * c > 0 => [a, b, c],
            Some(found) => {
                return Err(refused("--rates", "three numbers above 0", format!("{found:?}")));
            }
        };
        let deeplab = DeepLabOptions { rates, dropout: self.dropout, aux, ..preset };
        Ok(HeadOptions { deeplab, faster_rcnn: self.preset.faster_rcnn() })
    }
}

/// Loads the network called `name` with the weights that `found` holds, strictly; with as many outputs as those have, or
/// `classes`; with an anchor at these weights if `anchored`.
///
/// # Errors
/// No such network, or weights that do not fit it.
pub fn network(
    gpu: &Device,
    name: &str,
    settings: &NetworkSettings,
    classes: Option<usize>,
    found: &File,
    anchored: bool,
) -> Result<LoadedNetwork> {
    let architecture = Architecture::named(name)?;
    let (last, least) = (architecture.kind.last(), architecture.kind.least_outputs());
    let rows = found.outputs(architecture);
    let classes = classes.or(rows).filter(|n| *n >= least).ok_or_else(|| {
        let mend = "pass weights of a whole network, or --classes for another head";
        let outputs = classes.or(rows).map_or("none".into(), |n| n.to_string());
        let place = Place::from(&found.path).item(last);
        Error::weights(place, format!("at least {least} rows"), outputs, mend)
    })?;
    let heads = settings.options(found.tensors.contains_key(AUX))?;
    let options = LoadOptions { heads, norm: settings.det_bn, anchored };
    LoadedNetwork::new(gpu, architecture, classes, &options, found)
}

/// Opens the weights that a request names.
///
/// # Errors
/// The file is missing, or holds no weights.
pub fn weights(path: &Path) -> Result<File> {
    weights::open(path).map_err(unread)
}
