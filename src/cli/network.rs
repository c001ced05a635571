//! Networks that the external runners know by name: their weights, inputs, outputs and losses.

use crate::{
    Error, Result,
    autograd::{Mode, Tape, Var},
    gpu::Gpu,
    models::{Classifier, DeepLab, Depth, ResNet, deeplab, faster_rcnn},
    ops::{bce_with_logits::BceWithLogits, cross_entropy::CrossEntropy, dice_loss::DiceLoss},
    tensor::{Array, Scope, State, Tensor},
    train::{
        checkpoint::{HostTensor, Tensors},
        state,
        weights::{File, Unexpected},
    },
};
use std::{collections::BTreeMap, path::Path};

/// What a DeepLab or a Faster R-CNN can be told.
#[derive(clap::Args)]
pub struct Settings {
    /// DeepLab: image pixels for one of the last features: 8, 16 or 32.
    #[arg(long, default_value_t = 8)]
    output_stride: usize,
    /// DeepLab: pixels between the taps of the three atrous branches [default: 12,24,36 at output stride 8, else 6,12,18].
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    rates: Option<Vec<usize>>,
    /// Whose numbers to take where implementations differ.
    #[arg(long, value_enum, default_value_t = Preset::Torchvision)]
    preset: Preset,
    /// Faster R-CNN: train with batch norm by the batch, or frozen.
    #[arg(long, value_enum, default_value_t = Norm::Train)]
    det_bn: Norm,
    /// Share of features that dropout sets to zero in training.
    #[arg(long, default_value_t = 0.0)]
    dropout: f32,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Preset {
    Torchvision,
    Paddle,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Norm {
    Train,
    Frozen,
}

impl Settings {
    /// The options of a DeepLab whose weights have an auxiliary head, or not.
    fn deeplab(&self, aux: bool) -> Result<deeplab::Options> {
        let refused = |problem: String| Error::request("command line", problem);
        if ![8, 16, 32].contains(&self.output_stride) {
            let found = self.output_stride;
            return Err(refused(format!("--output-stride: expected 8, 16 or 32, found {found}")));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let found = self.dropout;
            return Err(refused(format!("--dropout: expected from 0 to below 1, found {found}")));
        }
        let preset = match self.preset {
            Preset::Torchvision => deeplab::Options::torchvision(self.output_stride),
            Preset::Paddle => deeplab::Options::paddle(self.output_stride),
        };
        let rates = match self.rates.as_deref() {
            None => preset.rates,
            Some(&[a, b, c]) if a * b * c > 0 => [a, b, c],
            Some(found) => {
                let problem = format!("--rates: expected three numbers above 0, found {found:?}");
                return Err(refused(problem));
            }
        };
        Ok(deeplab::Options { rates, dropout: self.dropout, aux, ..preset })
    }
    /// The options of a Faster R-CNN, and how it trains.
    pub fn faster_rcnn(&self) -> (faster_rcnn::Options, Mode) {
        let options = match self.preset {
            Preset::Torchvision => faster_rcnn::Options::TORCHVISION,
            Preset::Paddle => faster_rcnn::Options::PADDLE,
        };
        let mode = match self.det_bn {
            Norm::Train => Mode::Train { groups: 1 },
            Norm::Frozen => Mode::Frozen,
        };
        (options, mode)
    }
}

/// A network with its weights.
pub struct Network {
    /// Weights and running statistics.
    pub state: State,
    backbone: ResNet,
    head: Head,
    /// Outputs of the last layer.
    classes: usize,
}

enum Head {
    Labels(Classifier),
    Mask(Box<DeepLab>),
}

/// Losses by name, to be added.
pub type Losses = Vec<(&'static str, Var)>;

/// The tensors of a batch by name, the images `x` among them; what there is of others decides how the
/// network learns.
pub type Batch<T> = BTreeMap<&'static str, T>;

/// A network that the runners train.
pub trait Trained {
    /// Weights and running statistics.
    fn state(&self) -> &State;
    /// How a training step's tape treats batch norm.
    fn mode(&self) -> Mode {
        Mode::Train { groups: 1 }
    }
    /// A batch's images `x` and targets, with `at` (`.t` for batch t of several) behind their names in
    /// the file.
    ///
    /// # Errors
    /// A tensor is missing, or has another shape or other values.
    fn batch(&self, inputs: &Tensors, at: &str, path: &Path) -> Result<Batch<Array>>;
    /// The losses of a batch on the device.
    ///
    /// # Errors
    /// Images or targets of another shape, or a request beyond the adapter's limits.
    fn losses(&self, tape: &Tape, batch: &Batch<Tensor>, step: &Tensor) -> Result<Losses>;
}

impl Network {
    /// The network called `name` with the weights that `found` holds, strictly; with as many outputs as those
    /// have, or `classes`.
    ///
    /// # Errors
    /// No such network, or weights that do not fit it.
    pub fn new(
        gpu: &Gpu,
        name: &str,
        settings: &Settings,
        classes: Option<usize>,
        found: &File,
    ) -> Result<Self> {
        let root = Scope::root();
        let (backbone, head, classes) = match name.strip_prefix("deeplabv3_") {
            None => {
                let depth = Depth::named(name).ok_or_else(|| unknown(name))?;
                let classes = outputs_of("fc.weight", classes, found)?;
                let backbone = ResNet::new(&root, depth);
                let fc = Classifier::new(root.head(0).at("fc"), depth.features(), classes);
                (backbone, Head::Labels(fc), classes)
            }
            Some(of) => {
                let depth = Depth::named(of).ok_or_else(|| unknown(name))?;
                let classes = outputs_of("classifier.4.weight", classes, found)?;
                let options =
                    settings.deeplab(found.tensors.contains_key("aux_classifier.4.weight"))?;
                let backbone = ResNet::new(&root.at("backbone"), depth);
                let head = DeepLab::new(&root.head(0), depth, classes, options);
                (backbone, Head::Mask(Box::new(head)), classes)
            }
        };
        let state = State::init(gpu, &root, 0)?;
        let found = found.matched(&state.shapes(), Unexpected::Refuse)?;
        state::take(gpu, &found, "", state.arenas())?;
        Ok(Self { state, backbone, head, classes })
    }
    /// Whether it predicts masks.
    pub fn segments(&self) -> bool {
        matches!(self.head, Head::Mask(_))
    }
    /// What the network gives for images, by name.
    ///
    /// # Errors
    /// Images of another shape.
    pub fn outputs(&self, tape: &Tape, x: &Tensor, step: &Tensor) -> Result<Vec<(String, Var)>> {
        let (x, size) = (tape.input(x), [x.shape[1], x.shape[2]]);
        match &self.head {
            Head::Labels(fc) => {
                let features = self.backbone.forward(tape, &x)?;
                let logits = fc.forward(tape, &features[3])?;
                let names = (2..).map(|i| format!("features.{i}"));
                Ok(names.zip(features).chain([("logits".into(), logits)]).collect())
            }
            Head::Mask(head) => {
                let features = head.features(&self.backbone, tape, &x)?;
                let out = head.forward(tape, &features, size, step)?;
                let aux = head.auxiliary(tape, &features, size, step)?;
                Ok([("out".into(), out)]
                    .into_iter()
                    .chain(aux.map(|a| ("aux".into(), a)))
                    .collect())
            }
        }
    }
    /// The targets of a batch and what they are: for labels int64 `[N]` (`classes`) or float `[N, L]`
    /// (`labels`, NaN = missing); for masks (`mask`) float `[N, 1, H, W]` from 0 to 1 where there is one
    /// class, else int64 `[N, H, W]`, negative = ignored.
    fn target(&self, inputs: &Tensors, name: &str, path: &Path) -> Result<(&'static str, Array)> {
        let (tensor, mut values) = numbers(inputs, name, path)?;
        let (labels, classes) = (self.classes, tensor.as_i64().is_some());
        let refused = |problem: String| Error::request(path.display().to_string(), problem);
        let (kind, shape) = match (&self.head, classes, &tensor.shape[..]) {
            (Head::Labels(_), true, &[n]) => ("classes", vec![n, 1]),
            (Head::Labels(_), false, &[n, l]) if l == labels => ("labels", vec![n, l]),
            (Head::Mask(_), false, &[n, 1, h, w]) if labels == 1 => ("mask", vec![n, h, w, 1]),
            (Head::Mask(_), true, &[n, h, w]) if labels > 1 => ("mask", vec![n, h, w, 1]),
            (head, _, found) => {
                let wanted = match head {
                    Head::Labels(_) => format!("int64 [N] or float [N, {labels}]"),
                    Head::Mask(_) if labels == 1 => "float [N, 1, H, W]".into(),
                    Head::Mask(_) => "int64 [N, H, W]".into(),
                };
                let kind = if classes { "int64" } else { "float" };
                return Err(refused(format!("expected `{name}` {wanted}, found {kind} {found:?}")));
            }
        };
        if classes && let Some(v) = values.iter().find(|v| **v >= labels as f64) {
            return Err(refused(format!("expected classes below {labels} in `{name}`, found {v}")));
        }
        if self.segments()
            && !classes
            && let Some(v) = values.iter().find(|v| !(0.0..=1.0).contains(*v))
        {
            return Err(refused(format!("expected `{name}` from 0 to 1, found {v}")));
        }
        values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = -1.0);
        Ok((kind, Array::new(&shape, values)))
    }
}

impl Trained for Network {
    fn state(&self) -> &State {
        &self.state
    }
    fn batch(&self, inputs: &Tensors, at: &str, path: &Path) -> Result<Batch<Array>> {
        let x = image(inputs, &format!("x{at}"), path)?;
        Ok(Batch::from([("x", x), self.target(inputs, &format!("target{at}"), path)?]))
    }
    fn losses(&self, tape: &Tape, batch: &Batch<Tensor>, step: &Tensor) -> Result<Losses> {
        let x = tape.input(&batch["x"]);
        match &self.head {
            Head::Labels(fc) => {
                let features = self.backbone.forward(tape, &x)?;
                let logits = fc.forward(tape, &features[3])?;
                let loss = match batch.get("classes") {
                    Some(classes) => tape.apply(CrossEntropy, [&logits, &tape.input(classes)])?,
                    None => tape.apply(BceWithLogits, [&logits, &tape.input(&batch["labels"])])?,
                };
                Ok(vec![("class", loss)])
            }
            Head::Mask(head) => {
                let target = tape.input(&batch["mask"]);
                let [of_target, of_image] = [&target.value, &x.value].map(|t| &t.shape[..3]);
                if of_target != of_image {
                    let problem =
                        format!("expected masks of [N, H, W] {of_image:?}, found {of_target:?}");
                    return Err(Error::shape("target", problem));
                }
                let features = head.features(&self.backbone, tape, &x)?;
                let dice = DiceLoss::default();
                let (mask, aux) = head.losses(tape, &features, &target, dice, step)?;
                Ok(DeepLab::LOSSES.into_iter().zip(std::iter::once(mask).chain(aux)).collect())
            }
        }
    }
}

/// The fault of a name that no network has.
pub fn unknown(name: &str) -> Error {
    let problem = format!(
        "NAME: expected resnet18, resnet50, deeplabv3_resnet18, deeplabv3_resnet50, fasterrcnn_resnet18_fpn \
         or fasterrcnn_resnet50_fpn, found `{name}`"
    );
    Error::request("command line", problem)
}

/// Outputs of the last layer: `classes`, or the rows of its weights, called `name`.
fn outputs_of(name: &str, classes: Option<usize>, found: &File) -> Result<usize> {
    let rows = found.tensors.get(name).and_then(|t| t.shape.first()).copied();
    classes.or(rows).filter(|n| *n > 0).ok_or_else(|| {
        let remedy = "pass weights of a whole network, or --classes for another head";
        let problem = format!("expected {name} with at least one row, found none");
        Error::weights(found.path.display().to_string(), problem, remedy)
    })
}

/// A tensor and its numbers.
///
/// # Errors
/// The tensor is missing, or of bytes.
pub fn numbers<'a>(
    inputs: &'a Tensors,
    name: &str,
    path: &Path,
) -> Result<(&'a HostTensor, Vec<f64>)> {
    let place = path.display().to_string();
    let tensor = inputs
        .get(name)
        .ok_or_else(|| Error::request(&place, format!("expected a tensor `{name}`, found none")))?;
    let values = match (tensor.as_f32(), tensor.as_i64()) {
        (Some(v), _) => v.iter().map(|v| f64::from(*v)).collect(),
        (_, Some(v)) => v.iter().map(|v| *v as f64).collect(),
        _ => return Err(Error::request(place, format!("expected `{name}` in f32 or int64"))),
    };
    Ok((tensor, values))
}

/// Images `[N, 3, H, W]`, or `[N, 1, H, W]` repeated, channels last.
///
/// # Errors
/// The tensor is missing or has another shape.
pub fn image(inputs: &Tensors, name: &str, path: &Path) -> Result<Array> {
    let (tensor, values) = numbers(inputs, name, path)?;
    let (n, c, h, w) = match tensor.shape[..] {
        [n, c @ (1 | 3), h, w] if n * h * w > 0 => (n, c, h, w),
        _ => {
            let problem = format!("expected `{name}` [N, 3 or 1, H, W], found {:?}", tensor.shape);
            return Err(Error::request(path.display().to_string(), problem));
        }
    };
    let planes = Array::new(&[n, c, h, w], values).permuted(&[0, 2, 3, 1]);
    let repeated = planes.data.chunks(c).flat_map(|p| [p[0], p[1 % c], p[2 % c]]).collect();
    Ok(Array::new(&[n, h, w, 3], repeated))
}
