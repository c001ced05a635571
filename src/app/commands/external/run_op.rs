//! `mtpret run-op`: one op, asked for and checked by any other program.

use crate::{
    Error, Place, Result,
    commands::{
        faults::{as_request, unread},
        options::AdapterArgs,
    },
};
use mtpret_engine::{
    gpu::Variant,
    ops::{External, Outputs, SUITES, case},
    tensor::Array,
};
use mtpret_pipeline::weights::checkpoint::{self, Elements, HostTensor, Tensors};
use std::path::{Path, PathBuf};

/// Run one op on tensors from a safetensors file, in PyTorch's layouts.
///
/// The file's metadata says what to do: `op` is its name, `attrs` a JSON object. If it holds `dy` (or `dloss`),
/// the gradients are returned too, as `d` + the input's name.
///
/// Example: mtpret run-op conv.safetensors -o out.safetensors --variant all
#[derive(clap::Args)]
pub struct Args {
    /// The case; left out with --list.
    #[arg(required_unless_present = "list")]
    case: Option<PathBuf>,
    /// Where the results go.
    #[arg(short, long, required_unless_present = "list")]
    output: Option<PathBuf>,
    /// The kernel variant; `all` runs every one and fails if two differ.
    #[arg(long)]
    variant: Option<String>,
    /// Print every op with its inputs, attributes and variants as JSON.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    device: AdapterArgs,
}

/// Largest difference between two variants, as a share of the largest value.
/// What `--variant` says for every one.
const ALL: &str = "all";
const VARIANTS_AGREE: f64 = 5e-5;

/// Runs the command.
///
/// # Errors
/// A malformed case, or variants that differ.
pub fn run(args: &Args) -> Result<()> {
    if args.list {
        println!("{}", list());
        return Ok(());
    }
    let (Some(path), Some(output)) = (&args.case, &args.output) else {
        unreachable!("clap requires both without --list")
    };
    let (external, suite) = parse(path, args)?;
    let results = match args.variant.as_deref() {
        Some(ALL) => every_variant(external, suite)?,
        _ => (suite.run)(&external)?,
    };
    let tensors: Tensors = results
        .into_iter()
        .map(|(name, a)| {
            let tensor = host(&name, &a);
            (name, tensor)
        })
        .collect();
    checkpoint::write(output, &tensors, &Default::default())
}

fn parse(path: &Path, args: &Args) -> Result<(External, &'static mtpret_engine::ops::Suite)> {
    let (tensors, metadata) = checkpoint::read(path, None).map_err(|e| unread(as_request(e)))?;
    let place = Place::from(path);
    let name = metadata.get("op").ok_or_else(|| {
        let expected = "the op's name under `op` in the metadata";
        Error::request(&place, expected, "none", "`mtpret run-op --list` has all names")
    })?;
    let suite = SUITES.iter().find(|s| s.name == name).ok_or_else(|| {
        let known: Vec<_> = SUITES.iter().map(|s| s.name).collect();
        let expected = format!("one of {}", known.join(", "));
        Error::request(place.clone().item("op"), expected, format!("`{name}`"), "write one of them")
    })?;
    let attributes = metadata.get("attrs").map_or("{}", String::as_str);
    let attributes = serde_json::from_str(attributes).map_err(|e| {
        let found = format!("`{attributes}` ({e})");
        Error::request(place.clone().item("attrs"), "a JSON object", found, "write it as one")
    })?;
    let names = |variants: &[Variant]| variants.iter().map(|v| v.name()).collect::<Vec<_>>();
    let known = suite.signature.variants;
    let variant = match args.variant.as_deref() {
        None | Some(ALL) => None,
        Some(asked) => {
            let variant = Variant::named(asked).filter(|variant| known.contains(variant));
            Some(variant.ok_or_else(|| {
                let expected = format!("all or one of {}", names(known).join(", "));
                Error::request("--variant", expected, format!("`{asked}`"), "pass one of them")
            })?)
        }
    };
    let gpu = args.device.open()?;
    let offered = suite.signature.offered(gpu.caps());
    if let Some(asked) = variant.filter(|asked| !offered.contains(asked)) {
        let (adapter, offered) = (&gpu.info().name, names(&offered).join(", "));
        let expected = format!("one that {adapter} can run, {offered}");
        let found = format!("`{asked}`");
        return Err(Error::request("--variant", expected, found, "pass one of them"));
    }
    let external = External {
        gpu,
        tensors: tensors.into_iter().map(|(name, t)| (name, array(&t))).collect(),
        place,
        attributes,
        variant,
    };
    Ok((external, suite))
}

fn every_variant(mut external: External, suite: &mtpret_engine::ops::Suite) -> Result<Outputs> {
    let mut first: Option<(Variant, Outputs)> = None;
    for variant in suite.signature.offered(external.gpu.caps()) {
        external.variant = Some(variant);
        let results = (suite.run)(&external)?;
        let Some((other, expected)) = &first else {
            first = Some((variant, results));
            continue;
        };
        for ((name, got), (_, want)) in results.iter().zip(expected) {
            let error = case::error(got, want);
            // Written so that NaN counts as a difference.
            if !(error <= VARIANTS_AGREE) {
                return Err(Error::Shader {
                    kernel: suite.name.into(),
                    problem: format!(
                        "variants `{other}` and `{variant}` differ in `{name}` by {error:.1e} of its range"
                    ),
                });
            }
        }
    }
    Ok(first.map(|(_, results)| results).unwrap_or_default())
}

fn array(tensor: &HostTensor) -> Array {
    let data = match &tensor.data {
        Elements::F32(v) => v.iter().map(|v| f64::from(*v)).collect(),
        Elements::I64(v) => v.iter().map(|v| *v as f64).collect(),
        Elements::U8(v) => v.iter().map(|v| f64::from(*v)).collect(),
    };
    Array::new(&tensor.shape, data)
}

/// Outputs that say where something is: they travel as int64, all others as f32.
const PLACES: [&str; 2] = ["indices", "keep"];

fn host(name: &str, array: &Array) -> HostTensor {
    if PLACES.contains(&name) {
        return HostTensor::i64(&*array.shape, array.data.iter().map(|v| *v as i64).collect());
    }
    HostTensor::f32(&*array.shape, array.data.iter().map(|v| *v as f32).collect())
}

fn list() -> String {
    let ops: serde_json::Map<_, _> = SUITES
        .iter()
        .map(|s| {
            let attributes: serde_json::Map<String, serde_json::Value> =
                s.signature.attributes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            let entry = serde_json::json!({
                "inputs": s.signature.inputs,
                "attributes": attributes,
                "variants": s.signature.variants,
            });
            (s.name.to_owned(), entry)
        })
        .collect();
    serde_json::Value::Object(ops).to_string()
}
