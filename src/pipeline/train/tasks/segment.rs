//! Segmentation: a mask of one kind of foreground, by DeepLabV3 and Dice (MTPret Eq. 7).

use super::{Compared, Head, Predicted, Scorer, Scores, Task, View};
use crate::{
    Result,
    data::{Annotation, Dataset, Kind, Labels},
    metrics::{Bootstrap, Confusion, MaskPredictions},
    models::{
        Depth, ResNet, catalogue,
        deeplab::{DeepLab, DeepLabOptions},
    },
    onnx::{
        self, Extent, Graph,
        proto::{Attribute, FLOAT, UINT8},
    },
    train::{
        config::{Data, DiceClasses, DiceReduce, Segment as Settings},
        file_name::FileNames,
        run::{Run, films},
    },
};
use image::GrayImage;
use mtpret_engine::{
    autograd::{Tape, Var},
    ops::dice_loss::{Classes, DiceLoss, Reduce},
    tensor::{Scope, Step, Tensor},
};
use std::{path::PathBuf, rc::Rc};

/// Where torchvision's network has the backbone.
const BACKBONE: &str = catalogue::HeadKind::DeepLab.backbone();

/// The task of a data set with masks.
pub struct SegmentTask {
    name: String,
    labels: Labels,
    data: Data,
    settings: Settings,
}

impl SegmentTask {
    /// For films of `data`, at the size that `settings` gives them.
    ///
    /// # Errors
    /// The data set has no masks.
    pub fn new(set: &Dataset, data: &Data, settings: &Settings) -> Result<Self> {
        set.annotated(Kind::Mask, "masks")?;
        let Settings { width, height, batch, .. } = *settings;
        Ok(Self {
            name: set.name.clone(),
            labels: set.labels.clone(),
            data: Data { width, height, batch, ..data.clone() },
            settings: settings.clone(),
        })
    }
    fn options(&self) -> DeepLabOptions {
        let s = &self.settings;
        DeepLabOptions { aux: s.aux, ..s.preset.deeplab(s.output_stride) }
    }
    /// The foreground at `size`: where the probability, resized by bilinear interpolation from the
    /// input's, is at least ½.
    fn mask(&self, logits: &[f32], size: [usize; 2]) -> Vec<bool> {
        // Between logits the sign of the interpolated logit and of the probability less ½ agree to within a
        // pixel's edge; torchvision's users interpolate logits.
        let here = [self.data.width, self.data.height];
        let place = |axis: usize, at: usize| {
            let scale = here[axis] as f64 / size[axis] as f64;
            let centre = ((at as f64 + 0.5) * scale - 0.5).clamp(0.0, (here[axis] - 1) as f64);
            let low = centre.floor() as usize;
            (low, (low + 1).min(here[axis] - 1), (centre - low as f64) as f32)
        };
        let columns: Vec<_> = (0..size[0]).map(|x| place(0, x)).collect();
        let mut mask = Vec::with_capacity(size[0] * size[1]);
        for y in 0..size[1] {
            let (top, bottom, down) = place(1, y);
            let row = |at: usize| &logits[at * here[0]..(at + 1) * here[0]];
            let (top, bottom) = (row(top), row(bottom));
            mask.extend(columns.iter().map(|&(left, right, along)| {
                let mix = |row: &[f32]| row[left] + (row[right] - row[left]) * along;
                mix(top) + (mix(bottom) - mix(top)) * down >= 0.0
            }));
        }
        mask
    }
    /// The size at which a film is measured.
    fn measured(&self, size: [usize; 2]) -> [usize; 2] {
        match self.settings.original_size {
            true => size,
            false => [self.data.width, self.data.height],
        }
    }
}

impl Task for SegmentTask {
    fn name(&self) -> &str {
        &self.name
    }
    fn labels(&self) -> &Labels {
        &self.labels
    }
    fn data(&self) -> &Data {
        &self.data
    }
    fn loss_weight(&self) -> f64 {
        self.settings.loss_weight
    }
    fn head(&self, scope: &Scope, backbone: &Rc<ResNet>) -> Box<dyn Head> {
        let deeplab = DeepLab::new(scope, backbone, 1, self.options());
        Box::new(SegmentHead { deeplab, dice: dice(&self.settings) })
    }
    fn graph(&self, graph: &Graph, depth: Depth) {
        let (n, options, data) = (Extent::Free("N"), self.options(), &self.data);
        let x = super::film(graph, data, n);
        let dilation = |layer, block| options.dilation(layer, block);
        let [.., c5] = onnx::resnet(graph, BACKBONE, depth, &x, dilation);
        let logits = onnx::deeplab(graph, &c5, &options, [data.height, data.width]);
        let shape = [n, Extent::Fixed(1), Extent::Fixed(data.height), Extent::Fixed(data.width)];
        let y = graph.node("Sigmoid", [&logits], []);
        graph.output("probabilities", &y, FLOAT, &shape, "of the foreground at each pixel");
        let inside = graph.node("GreaterOrEqual", [&logits, &graph.float(0.0)], []);
        let to = Attribute::int("to", UINT8.into());
        let doc = "1 where the foreground is, its probability at least one half; else 0";
        graph.output("mask", &graph.node("Cast", [&inside], [to]), UINT8, &shape, doc);
    }
    fn compare(&self, predicted: &Predicted, _: f64) -> Result<Compared> {
        let size = predicted.size;
        let found = self.mask(predicted.row, size);
        let wanted = match &predicted.sample.target {
            Annotation::Mask { .. } | Annotation::Polygons { .. } => {
                Some(predicted.sample.mask(size)?.into_iter().map(|v| v == 1).collect::<Vec<_>>())
            }
            _ => None,
        };
        let counts = |wanted: &Vec<bool>| {
            Confusion::of_pixels(found.iter().copied().zip(wanted.iter().copied()))
        };
        let dice = wanted.as_ref().and_then(|wanted| counts(wanted).dice());
        Ok(Compared::Mask { size, dice, score: certainty(predicted.row), wanted, found })
    }
    fn scorer(&self) -> Box<dyn Scorer + '_> {
        Box::new(SegmentScorer {
            task: self,
            counts: Vec::new(),
            patients: Vec::new(),
            masks: Vec::new(),
        })
    }
}

/// The loss that the settings ask for.
fn dice(settings: &Settings) -> DiceLoss {
    DiceLoss {
        smooth: settings.smooth as f32,
        reduce: match settings.reduce {
            DiceReduce::Image => Reduce::Image,
            DiceReduce::Batch => Reduce::Batch,
        },
        classes: match settings.classes {
            DiceClasses::Fg => Classes::Foreground,
            DiceClasses::All => Classes::All,
        },
    }
}

struct SegmentHead {
    deeplab: DeepLab,
    dice: DiceLoss,
}

impl Head for SegmentHead {
    fn backbone(&self) -> &'static str {
        BACKBONE
    }
    fn parts(&self) -> &'static [&'static str] {
        if self.deeplab.has_aux() { &DeepLab::LOSSES } else { &[] }
    }
    fn losses(&self, tape: &Tape, x: &Var, view: &View) -> Result<Vec<Var>> {
        let step = view.batch.step();
        let mask = view.warp.mask(tape.rec, view.batch.tensor("targets"), view.size, step)?;
        self.deeplab.losses(tape, x, &mask, self.dice, step)
    }
    fn outputs(&self, tape: &Tape, x: &Var, _: &Tensor) -> Result<Vec<Tensor>> {
        let [_, h, w, _] = x.value.axes();
        let features = self.deeplab.features(tape, x)?;
        // Nothing is dropped in evaluation, so that the record of a step says nothing.
        let step = Step::default().upload(&tape.rec.gpu)?;
        Ok(vec![self.deeplab.forward(tape, &features, [h, w], &step)?.value])
    }
}

struct SegmentScorer<'a> {
    task: &'a SegmentTask,
    counts: Vec<Confusion>,
    patients: Vec<String>,
    /// Each film and its predicted mask at the film's own size.
    masks: Vec<(PathBuf, Runs)>,
}

/// A mask row by row as runs of equal pixels: those of the best epoch stay in memory as long as training goes on.
struct Runs {
    runs: Vec<(bool, u32)>,
    size: [usize; 2],
}

impl Runs {
    fn of(mask: &[bool], size: [usize; 2]) -> Self {
        let runs = mask.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32));
        Self { runs: runs.collect(), size }
    }
    fn mask(&self) -> Vec<bool> {
        self.runs.iter().flat_map(|(inside, n)| std::iter::repeat_n(*inside, *n as usize)).collect()
    }
}

impl Scorer for SegmentScorer<'_> {
    fn add(&mut self, predicted: &Predicted) -> Result<()> {
        let size = self.task.measured(predicted.size);
        let wanted = predicted.sample.mask(predicted.size)?;
        let wanted = shrunk(&wanted, predicted.size, size);
        let found = self.task.mask(predicted.row, size);
        self.counts.push(Confusion::of_pixels(found.into_iter().zip(wanted)));
        self.patients.push(predicted.sample.patient.clone());
        let mask = self.task.mask(predicted.row, predicted.size);
        self.masks.push((predicted.sample.path.clone(), Runs::of(&mask, predicted.size)));
        Ok(())
    }
    fn scores(&self, bootstrap: Bootstrap) -> Result<Scores> {
        let masks = MaskPredictions { counts: &self.counts, patients: Some(&self.patients) };
        Ok(Scores::Segment(masks.scores(bootstrap)?))
    }
    /// 1 − mean Dice of the masks.
    fn loss(&self) -> Option<f64> {
        let dice: Vec<f64> = self.counts.iter().filter_map(Confusion::dice).collect();
        (!dice.is_empty()).then(|| 1.0 - dice.iter().sum::<f64>() / dice.len() as f64)
    }
    /// `masks/<film>.png`, white where the foreground is, and `films.csv`: Dice and IoU of each film.
    fn write(&self, run: &Run, suffix: &str, _: Bootstrap) -> Result<()> {
        let mut names = FileNames::default();
        for (path, mask) in &self.masks {
            let name = names.of(path);
            let picture = picture(&mask.mask(), mask.size);
            run.write_png(&format!("masks{suffix}/{name}.png"), &picture)?;
        }
        let counted = self.counts.iter().zip(&self.patients).zip(&self.masks);
        let films = counted.map(|((counts, patient), (path, _))| {
            (&**path, patient.as_str(), [counts.dice(), counts.iou()])
        });
        films::write(run, suffix, [films::DICE, films::IOU], films)
    }
}

/// Mean probability of the pixels of the input that are foreground; none where no pixel is.
fn certainty(logits: &[f32]) -> Option<f64> {
    let inside =
        || logits.iter().filter(|v| **v >= 0.0).map(|v| 1.0 / (1.0 + (-f64::from(*v)).exp()));
    (inside().count() > 0).then(|| inside().sum::<f64>() / inside().count() as f64)
}

/// A mask as a picture: white where the foreground is.
///
/// # Panics
/// If the mask has not that size.
pub fn picture(mask: &[bool], [width, height]: [usize; 2]) -> GrayImage {
    let pixels = mask.iter().map(|v| if *v { 255 } else { 0 }).collect();
    GrayImage::from_raw(width as u32, height as u32, pixels).expect("a mask has its size")
}

/// A mask at the nearest pixels of another size.
fn shrunk(mask: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<bool> {
    let at = |axis: usize, i: usize| (2 * i + 1) * from[axis] / (2 * to[axis]);
    let pixel = |i: usize| mask[at(1, i / to[0]) * from[0] + at(0, i % to[0])] == 1;
    (0..to[0] * to[1]).map(pixel).collect()
}
