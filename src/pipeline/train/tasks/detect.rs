//! Detection: boxes of several classes, by Faster R-CNN (MTPret Eq. 8 and 9).

use super::{Compared, FoundBox, Head, Predicted, Scorer, Scores, Task, View};
use crate::{
    Result,
    data::{Annotation, Dataset, Fit, Kind, Labels},
    metrics::{Bootstrap, BoxPredictions, Detection, Truth},
    models::{
        Depth, ResNet, catalogue,
        faster_rcnn::{Boxes, FasterRcnn, FasterRcnnOptions},
    },
    onnx::{
        self, Detector, Extent, Graph,
        proto::{FLOAT, INT64},
    },
    train::{
        config::{Data, Detect as Settings, DetectorNorm},
        run::{Run, films},
    },
};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    tensor::{Scope, Tensor},
};
use serde_json::{Value, json};
use std::{path::PathBuf, rc::Rc};

/// Where torchvision's network has the backbone.
const BACKBONE: &str = catalogue::HeadKind::FasterRcnn.backbone();

/// The task of a data set with boxes.
pub struct DetectTask {
    name: String,
    labels: Labels,
    data: Data,
    settings: Settings,
}

/// A box that was found: x1 y1 x2 y2, its probability and its class from 0.
struct DetectedBox {
    corners: [f64; 4],
    score: f64,
    class: usize,
}

impl DetectTask {
    /// For films of `data`, at the size that `settings` gives them.
    ///
    /// # Errors
    /// The data set has no boxes.
    pub fn new(set: &Dataset, data: &Data, settings: &Settings) -> Result<Self> {
        set.annotated(Kind::Boxes, "boxes")?;
        let Settings { width, height, batch, .. } = *settings;
        Ok(Self {
            name: set.name.clone(),
            labels: set.labels.clone(),
            data: Data { width, height, batch, ..data.clone() },
            settings: settings.clone(),
        })
    }
    fn options(&self) -> FasterRcnnOptions {
        let Settings { proposals, sampled, preset, .. } = self.settings;
        FasterRcnnOptions { per_image: proposals, sampled, ..preset.faster_rcnn() }
    }
    /// Classes of the network, of which 0 is the background.
    fn classes(&self) -> usize {
        self.labels.names.len() + 1
    }
    /// The boxes of a film's rows, in a frame of `size` that the film's part of the input fills.
    fn found(row: &[f32], extent: [f32; 2], size: [usize; 2]) -> Vec<DetectedBox> {
        let places = row.len() / 6;
        let (boxes, rest) = row.split_at(4 * places);
        let (scores, classes) = rest.split_at(places);
        let scale = [0, 1].map(|axis| size[axis] as f64 / f64::from(extent[axis]));
        let all = boxes.as_chunks::<4>().0.iter().zip(scores).zip(classes);
        all.filter(|(_, class)| **class >= 0.0)
            .map(|((corners, score), class)| DetectedBox {
                corners: [0, 1, 2, 3].map(|i| f64::from(corners[i]) * scale[i % 2]),
                score: f64::from(*score),
                class: *class as usize,
            })
            .collect()
    }
}

impl Task for DetectTask {
    fn name(&self) -> &str {
        &self.name
    }
    fn labels(&self) -> &Labels {
        &self.labels
    }
    fn data(&self) -> &Data {
        &self.data
    }
    fn fit(&self) -> Fit {
        self.settings.fit
    }
    fn loss_weight(&self) -> f64 {
        self.settings.loss_weight
    }
    fn head(&self, scope: &Scope, backbone: &Rc<ResNet>) -> Box<dyn Head> {
        let detector = FasterRcnn::new(scope, backbone, self.classes(), self.options());
        Box::new(DetectHead { detector, norm: self.settings.norm })
    }
    /// One film at a time: lists of boxes are as long as there are boxes.
    fn graph(&self, graph: &Graph, depth: Depth) {
        let (size, one) = ([self.data.height, self.data.width], Extent::Fixed(1));
        let x = super::film(graph, &self.data, one);
        let limits = match self.fit() {
            Fit::Stretch => {
                let [height, width] = size.map(|side| side as f32);
                graph.floats(&[4], &[width, height, width, height])
            }
            Fit::Letterbox => {
                let doc =
                    "width and height that the film fills of the image, from its upper left corner";
                let extent = graph.input("extent", &[Extent::Fixed(2)], doc);
                graph.concat([&extent, &extent], 0)
            }
        };
        let features = onnx::resnet(graph, BACKBONE, depth, &x, |_, _| None);
        let (options, classes) = (self.options(), self.classes());
        let detector = Detector { graph, options, size, classes, limits };
        let found = detector.detect(&features);
        let many = Extent::Free("D");
        let doc = "left, top, right and bottom of what was found, in pixels of the image";
        graph.output("boxes", &found.boxes, FLOAT, &[many, Extent::Fixed(4)], doc);
        graph.output("scores", &found.scores, FLOAT, &[many], "probabilities, the highest first");
        graph.output(
            "labels",
            &found.labels,
            INT64,
            &[many],
            "numbers in the list of labels, from 0",
        );
    }
    fn compare(&self, predicted: &Predicted, least: f64) -> Result<Compared> {
        let scale = |frame: [usize; 2], corners: [f64; 4]| {
            let scale = [0, 1].map(|axis| predicted.size[axis] as f64 / frame[axis] as f64);
            [0, 1, 2, 3].map(|i| corners[i] * scale[i % 2])
        };
        let there = match &predicted.sample.target {
            Annotation::Boxes { size, boxes } => Some(boxes.iter().map(|b| {
                let corners = scale(*size, b.corners.map(f64::from));
                FoundBox { corners, class: self.labels.names[b.class].clone(), score: None }
            })),
            _ => None,
        };
        let mut found = Self::found(predicted.row, predicted.extent, predicted.size);
        found.retain(|f| f.score >= least);
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let found = found.into_iter().map(|f| FoundBox {
            corners: f.corners,
            class: self.labels.names[f.class].clone(),
            score: Some(f.score),
        });
        Ok(Compared::boxes(found.collect(), there.map(Iterator::collect)))
    }
    fn scorer(&self) -> Box<dyn Scorer + '_> {
        Box::new(DetectScorer {
            task: self,
            films: Vec::new(),
            truths: Vec::new(),
            found: Vec::new(),
        })
    }
}

struct DetectHead {
    detector: FasterRcnn,
    norm: DetectorNorm,
}

impl Head for DetectHead {
    fn backbone(&self) -> &'static str {
        BACKBONE
    }
    fn mode(&self) -> Mode {
        self.norm.mode()
    }
    fn parts(&self) -> &'static [&'static str] {
        &FasterRcnn::LOSSES
    }
    fn losses(&self, tape: &Tape, x: &Var, view: &View) -> Result<Vec<Var>> {
        let (batch, step) = (view.batch, view.batch.step());
        let [corners, classes] =
            view.warp.boxes(tape.rec, batch.tensor("targets"), view.size, step)?;
        let truth = Boxes { corners, classes, extents: batch.tensor("extents").clone() };
        Ok(self.detector.losses(tape, x, &truth, step, None)?.into())
    }
    fn outputs(&self, tape: &Tape, x: &Var, extents: &Tensor) -> Result<Vec<Tensor>> {
        let found = self.detector.detect(tape, x, extents)?;
        Ok(vec![found.boxes, found.scores, found.classes])
    }
}

/// A film that was looked at.
struct SeenFilm {
    path: PathBuf,
    patient: String,
    /// Width and height of the annotated image: the frame of all its boxes.
    size: [usize; 2],
}

struct DetectScorer<'a> {
    task: &'a DetectTask,
    films: Vec<SeenFilm>,
    truths: Vec<Truth>,
    found: Vec<Detection>,
}

/// Left, top, width and height.
fn bbox([x1, y1, x2, y2]: [f64; 4]) -> [f64; 4] {
    [x1, y1, x2 - x1, y2 - y1]
}

impl Scorer for DetectScorer<'_> {
    fn add(&mut self, predicted: &Predicted) -> Result<()> {
        let image = self.films.len();
        let size = match &predicted.sample.target {
            Annotation::Boxes { size, .. } => *size,
            _ => predicted.size,
        };
        let sample = predicted.sample;
        self.films.push(SeenFilm {
            path: sample.path.clone(),
            patient: sample.patient.clone(),
            size,
        });
        self.truths.extend(sample.target.boxes().iter().map(|b| {
            let bbox = bbox(b.corners.map(f64::from));
            Truth { image, class: b.class, bbox, crowd: false }
        }));
        let found = DetectTask::found(predicted.row, predicted.extent, size);
        self.found.extend(found.into_iter().map(|f| Detection {
            image,
            class: f.class,
            bbox: bbox(f.corners),
            score: f.score,
        }));
        Ok(())
    }
    fn scores(&self, bootstrap: Bootstrap) -> Result<Scores> {
        let patients: Vec<String> = self.films.iter().map(|f| f.patient.clone()).collect();
        let boxes = BoxPredictions {
            names: &self.task.labels.names,
            images: self.films.len(),
            truths: &self.truths,
            detections: &self.found,
            patients: Some(&patients),
        };
        Ok(Scores::Detect(boxes.scores(bootstrap)?))
    }
    fn loss(&self) -> Option<f64> {
        None
    }
    /// `predictions.json` and `targets.json`, results and ground truth as COCO has them; `films.csv`: boxes of each film that are
    /// found, not there and missed.
    fn write(&self, run: &Run, suffix: &str, _: Bootstrap) -> Result<()> {
        let results: Vec<Value> = self.found.iter().map(|f| {
            json!({ "image_id": f.image, "category_id": f.class + 1, "bbox": f.bbox, "score": f.score })
        }).collect();
        let images: Vec<Value> = self
            .films
            .iter()
            .enumerate()
            .map(|(id, film)| {
                let [width, height] = film.size;
                json!({ "id": id, "file_name": film.path.to_string_lossy(), "width": width, "height": height })
            })
            .collect();
        let annotations: Vec<Value> = self.truths.iter().enumerate().map(|(id, t)| {
            let area = t.bbox[2] * t.bbox[3];
            json!({ "id": id + 1, "image_id": t.image, "category_id": t.class + 1, "bbox": t.bbox,
                    "area": area, "iscrowd": 0 })
        }).collect();
        let names = self.task.labels.names.iter().enumerate();
        let categories: Vec<Value> =
            names.map(|(id, name)| json!({ "id": id + 1, "name": name })).collect();
        let targets =
            json!({ "images": images, "annotations": annotations, "categories": categories });
        run.write_private(&format!("predictions{suffix}.json"), &Value::from(results).to_string())?;
        run.write_private(&format!("targets{suffix}.json"), &targets.to_string())?;
        let films = self.films.iter().enumerate().map(|(image, film)| {
            let counts = self.outcomes(image).map(|count| Some(count as f64));
            (&*film.path, film.patient.as_str(), counts)
        });
        films::write(run, suffix, [films::FOUND, films::FALSE, films::MISSED], films)
    }
}

/// Boxes of a lower probability do not count for a film.
const LEAST: f64 = 0.5;

impl DetectScorer<'_> {
    /// How many boxes of an image are found, are not there, and are missed.
    fn outcomes(&self, image: usize) -> [usize; 3] {
        let named = |bbox: [f64; 4], class: usize, score| {
            let [x, y, w, h] = bbox;
            let class = self.task.labels.names[class].clone();
            FoundBox { corners: [x, y, x + w, y + h], class, score }
        };
        let there = self.truths.iter().filter(|t| t.image == image);
        let there = there.map(|t| named(t.bbox, t.class, None)).collect();
        let mut found: Vec<&Detection> =
            self.found.iter().filter(|f| f.image == image && f.score >= LEAST).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let found = found.iter().map(|f| named(f.bbox, f.class, Some(f.score))).collect();
        match Compared::boxes(found, Some(there)) {
            Compared::Boxes { found, missed } => {
                let right = found.iter().filter(|(_, right)| *right == Some(true)).count();
                [right, found.len() - right, missed.len()]
            }
            _ => unreachable!("boxes are compared as boxes"),
        }
    }
}
