//! `mtpret convert`: weights from one kind of file to another.

use super::UNCHECKED;
use crate::{Error, Place, Result};
use mtpret_engine::file;
use mtpret_pipeline::{
    models::catalogue,
    weights::{
        self, File, Unexpected,
        checkpoint::{Metadata, Tensors},
        stem,
    },
};
use std::path::PathBuf;

/// Convert weights between PyTorch's .pth and .safetensors, both ways, under torchvision's names.
///
/// Reads what training reads: either kind of file, any PyTorch's, or a run folder; what training scripts wrap names in
/// (state_dict, model, module., encoder_q.) is taken off, floats become f32, and nothing that a .pth names is run. A .pth
/// is written for torch.load(weights_only=True) and load_state_dict(strict=True).
///
/// Example: mtpret convert moco_checkpoint.pth resnet50.safetensors --backbone
///
/// Example: mtpret convert runs/pneumonia pneumonia.pth
#[derive(clap::Args)]
pub struct Args {
    /// .safetensors, .pth or a run folder.
    from: PathBuf,
    /// The new file: .safetensors, .pth or .pt.
    to: PathBuf,
    /// Only the backbone, named as in torchvision's resnet18 or resnet50, wherever it lies in the file: backbone.,
    /// backbone.body., encoder., or numbered by an nn.Sequential.
    #[arg(long)]
    backbone: bool,
    /// Channels that the first convolution reads, 1 or 3: of grey films the network stays the same function
    /// [default: as in the file].
    #[arg(long, value_name = "1|3", value_parser = channels)]
    channels: Option<usize>,
}

fn channels(text: &str) -> Result<usize, &'static str> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("expected 1 or 3"),
    }
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read or written, or no backbone or first convolution where one was asked for.
pub fn run(args: &Args) -> Result<()> {
    let extension = args.to.extension().map(|e| e.to_ascii_lowercase());
    let pytorch = match extension.as_ref().and_then(|e| e.to_str()) {
        Some("safetensors") => false,
        Some("pth" | "pt") => true,
        _ => {
            let expected = "a name in .safetensors, .pth or .pt";
            let found = args.to.extension().map_or("none".into(), |e| format!(".{}", e.display()));
            return Err(Error::config(&args.to, expected, found, "add one of them to the name"));
        }
    };
    let file = weights::open(&args.from)?;
    if file.unchecked {
        eprintln!("{}: {UNCHECKED}", args.from.display());
    }
    let mut tensors = if args.backbone { backbone(&file)? } else { file.read()? };
    if let Some(channels) = args.channels {
        tensors = over(channels, tensors, &file)?;
    }
    let (count, numbers) = (tensors.len(), numbers(&tensors));
    // Words speak of the network as it was: of its labels, of how films are prepared for it.
    let changed = args.backbone || args.channels.is_some();
    let metadata = if pytorch || changed { Metadata::new() } else { file.metadata.clone() };
    let left_out = [
        ("tensors", file.tensors.len() + file.others.len() - count),
        ("entries of metadata", file.metadata.len() - metadata.len()),
    ];
    if pytorch {
        weights::save_pytorch(&args.to, tensors)?;
    } else {
        weights::save(&file::target(&args.to), tensors, metadata)?;
    }
    println!("{}: {count} tensors, {numbers} numbers", args.to.display());
    for (what, count) in left_out.into_iter().filter(|(_, count)| *count > 0) {
        println!("left out: {count} {what}");
    }
    Ok(())
}

fn numbers(tensors: &Tensors) -> usize {
    tensors.values().map(|tensor| tensor.shape.iter().product::<usize>()).sum()
}

/// The tensors of the backbone that the file holds.
fn backbone(file: &File) -> Result<Tensors> {
    let shapes = [catalogue::ALL[1], catalogue::ALL[0]].map(|known| known.backbone());
    let misfits = |shapes: &catalogue::Shapes| {
        let difference = file.difference(shapes);
        difference.missing.len() + difference.misshapen.len()
    };
    // Of two that do not fit, the nearer one says what it lacks.
    let nearer = shapes.into_iter().min_by_key(misfits).unwrap_or_default();
    file.matched(&nearer, Unexpected::Drop)
}

/// The tensors with a first convolution over so many channels.
fn over(channels: usize, mut tensors: Tensors, file: &File) -> Result<Tensors> {
    let name = tensors.iter().find(|(name, tensor)| stem::is(name, &tensor.shape));
    let Some(name) = name.map(|(name, _)| name.clone()) else {
        let place = Place::from(&file.path).item("--channels");
        let expected = "a first convolution conv1.weight over 1 or 3 channels";
        let mend = "look with `mtpret inspect` what the file holds";
        return Err(Error::weights(place, expected, "none", mend));
    };
    if let Some(tensor) = tensors.remove(&name) {
        tensors.insert(name, stem::over(channels, tensor));
    }
    Ok(tensors)
}
