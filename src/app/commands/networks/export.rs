//! `mtpret export`: a network as ONNX, for other programs.

use crate::{Result, commands::options::beside};
use mtpret_pipeline::{
    export::onnx,
    onnx::{
        OPSET,
        proto::{Dimension, ModelProto, ValueInfo},
        write,
    },
};
use std::path::PathBuf;

/// Write a fine-tuned network as ONNX, which onnxruntime and others run.
///
/// The input `image` is grey levels from 0 to 255 at the network's size; the z-score is in the network. A classifier gives
/// `probabilities`, a DeepLab `probabilities` and a `mask`, a Faster R-CNN, one film at a time, `boxes`, `scores` and
/// `labels`. Labels, size and how films are resized stand in the file's metadata.
///
/// Example: mtpret export runs/pneumonia -o pneumonia.onnx
///
/// Example: mtpret export runs/moco --features -o backbone.onnx
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a fine-tuning run, or a bundle; with --features the folder of any run, or a file of weights.
    #[arg(value_name = "RUN|BUNDLE|FILE")]
    run: PathBuf,
    /// The file [default: the run's name with `.onnx` behind].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The backbone alone, for films of any size: `features` [N, C], the mean over each film, and `map`, before the mean.
    #[arg(long)]
    features: bool,
}

/// Runs the command.
///
/// # Errors
/// A run that is not finished, weights that do not fit, or a file that cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let model = match args.features {
        true => onnx::features(&args.run)?,
        false => onnx::network(&args.run)?,
    };
    let file = args.output.clone().unwrap_or_else(|| beside(&args.run, "onnx"));
    let mib = write(&file, &model)? as f64 / f64::from(1 << 20);
    println!("{}: {mib:.1} MiB, opset {OPSET}, {}", file.display(), signature(&model));
    Ok(())
}

/// What goes in and what comes out, with their shapes.
fn signature(model: &ModelProto) -> String {
    let graph = model.graph.as_ref().expect("a model that was just drawn has a graph");
    let extent = |d: &Dimension| match (d.value, &d.name) {
        (Some(value), _) => value.to_string(),
        (None, name) => name.clone().unwrap_or_default(),
    };
    let one = |value: &ValueInfo| {
        let tensor = value.of.as_ref().and_then(|of| of.tensor.as_ref());
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        let extents: Vec<String> =
            shape.into_iter().flat_map(|s| s.dim.iter().map(extent)).collect();
        format!("{} [{}]", value.name, extents.join(", "))
    };
    let all = |values: &[ValueInfo]| values.iter().map(one).collect::<Vec<_>>().join(", ");
    format!("{} to {}", all(&graph.input), all(&graph.output))
}
