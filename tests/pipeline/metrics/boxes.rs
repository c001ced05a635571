//! Average precision.

use super::{POINT, assert_holds, fixture};
use mtpret_pipeline::metrics::{
    Bootstrap, BoxPredictions, DetectMeasures, DetectScores, Detection, Truth, bbox_iou, bootstrap,
    match_boxes,
};
use serde_json::Value;

/// What there is and what is found, of one fixture.
struct Problem {
    names: Vec<String>,
    images: usize,
    truths: Vec<Truth>,
    detections: Vec<Detection>,
}

impl Problem {
    /// From COCO's JSON; images and classes are numbered by rising id.
    fn new(case: &Value) -> Self {
        let list = |key: &str| case["targets"][key].as_array().unwrap().clone();
        let by_id = |key: &str| {
            let mut entries = list(key);
            entries.sort_by_key(|e| e["id"].as_i64());
            entries
        };
        let (images, classes) = (by_id("images"), by_id("categories"));
        let place = |entry: &Value| {
            let of = |list: &[Value], key: &str| {
                list.iter().position(|e| e["id"] == entry[key]).unwrap()
            };
            let bbox = std::array::from_fn(|i| entry["bbox"][i].as_f64().unwrap());
            (of(&images, "image_id"), of(&classes, "category_id"), bbox)
        };
        let truth = |entry: &Value| {
            let (image, class, bbox) = place(entry);
            Truth { image, class, bbox, crowd: entry["iscrowd"] == 1 }
        };
        let detection = |entry: &Value| {
            let (image, class, bbox) = place(entry);
            Detection { image, class, bbox, score: entry["score"].as_f64().unwrap() }
        };
        Self {
            names: classes.iter().map(|c| c["name"].as_str().unwrap().into()).collect(),
            images: images.len(),
            truths: list("annotations").iter().map(truth).collect(),
            detections: case["predictions"].as_array().unwrap().iter().map(detection).collect(),
        }
    }

    fn predictions(&self) -> BoxPredictions<'_> {
        BoxPredictions {
            names: &self.names,
            images: self.images,
            truths: &self.truths,
            detections: &self.detections,
            patients: None,
        }
    }

    fn scores(&self, settings: Bootstrap) -> DetectScores {
        self.predictions().scores(settings).unwrap()
    }

    /// The problem with scores that keep the order of detections and are all different.
    fn untied(mut self) -> Self {
        let score = |d: &Detection| -d.score;
        self.detections.sort_by(|a, b| score(a).total_cmp(&score(b)).then(a.image.cmp(&b.image)));
        let count = self.detections.len() as f64;
        for (rank, detection) in self.detections.iter_mut().enumerate() {
            detection.score = 1.0 - rank as f64 / count;
        }
        self
    }

    /// The problem with each image as often as `times` says, copies side by side.
    fn drawn(&self, times: &[u64]) -> Self {
        let first: Vec<usize> = times
            .iter()
            .scan(0, |next, t| Some(std::mem::replace(next, *next + *t as usize)))
            .collect();
        let copies = |image: usize| first[image]..first[image] + times[image] as usize;
        let truths =
            self.truths.iter().flat_map(|t| copies(t.image).map(|i| Truth { image: i, ..*t }));
        let detections = self
            .detections
            .iter()
            .flat_map(|d| copies(d.image).map(|i| Detection { image: i, ..*d }));
        Self {
            names: self.names.clone(),
            images: times.iter().sum::<u64>() as usize,
            truths: truths.collect(),
            detections: detections.collect(),
        }
    }
}

#[test]
fn figures_of_boxes_equal_pycocotools() {
    for (name, case) in fixture("detect").as_object().unwrap() {
        let got = serde_json::to_value(Problem::new(case).scores(POINT)).unwrap();
        assert_holds(name, &got, &case["want"]);
    }
}

/// Every figure, in one order.
fn flat<T: Copy>(m: &DetectMeasures<T>) -> Vec<T> {
    let classes = m.per_class.0.iter().flat_map(|(_, class)| [class.ap, class.ap50]);
    classes.chain([m.ap, m.ap50, m.ap75, m.voc07_ap50, m.voc10_ap50]).collect()
}

#[test]
fn weighted_figures_are_those_of_the_drawn_images() {
    let settings = Bootstrap { replicates: 60, seed: 3 };
    for (name, case) in fixture("detect").as_object().unwrap() {
        // Of two detections of one score, copies of the one would stand among copies of the other.
        let tied = Problem::new(case);
        let point = tied.scores(POINT);
        let problem = tied.untied();
        assert_eq!(problem.scores(POINT), point, "{name}");
        let naive = bootstrap(problem.images, None, settings, |times| {
            flat(&problem.drawn(times).scores(POINT).measures)
        });
        let got = flat(&problem.scores(settings).ci.unwrap().measures);
        assert_eq!(got.len(), naive.len());
        for (got, want) in got.iter().zip(naive) {
            match (got, want) {
                (Some(got), Some(want)) => super::assert_near(got, &want, 1e-12),
                _ => assert_eq!(*got, want, "{name}"),
            }
        }
    }
}

#[test]
fn images_of_a_patient_move_their_boxes_together() {
    let problem = Problem::new(&fixture("detect")["three classes"]);
    let patients = vec!["a".to_owned(); problem.images];
    let together = BoxPredictions { patients: Some(&patients), ..problem.predictions() };
    let got = together.scores(Bootstrap { replicates: 10, seed: 1 }).unwrap();
    let ci = got.ci.unwrap();
    assert_eq!(ci.resampled, "patients");
    assert_eq!(ci.measures.ap50, got.measures.ap50.map(|ap| [ap, ap]));
}

#[test]
fn overlap_is_a_share_of_the_union_and_of_a_crowd_a_share_of_the_detection() {
    let (a, b) = ([0.0, 0.0, 4.0, 2.0], [2.0, 0.0, 4.0, 2.0]);
    assert_eq!(bbox_iou(a, b, false), 4.0 / 12.0);
    assert_eq!(bbox_iou(a, b, true), 0.5);
    assert_eq!(bbox_iou(a, [4.0, 0.0, 1.0, 2.0], false), 0.0);
    assert_eq!(bbox_iou([0.0; 4], [0.0; 4], false), 0.0);
}

#[test]
fn a_box_is_found_once_and_a_crowd_any_number_of_times() {
    let square = |x: f64| [x, 0.0, 10.0, 10.0];
    let boxes = [(square(0.0), false), (square(4.0), false)];
    // The first takes the nearer box, the second the one that is left, the third none.
    let found = match_boxes(&[square(1.0), square(0.0), square(0.0)], &boxes, 0.4);
    assert_eq!(found, [Some(0), Some(1), None]);
    let found = match_boxes(&[square(0.0); 3], &[(square(0.0), true), (square(1.0), false)], 0.5);
    assert_eq!(found, [Some(1), Some(0), Some(0)]);
    // An overlap that equals the threshold is enough.
    assert_eq!(
        match_boxes(&[[0.0, 0.0, 1.0, 2.0]], &[([0.0, 0.0, 1.0, 1.0], false)], 0.5),
        [Some(0)]
    );
}

#[test]
fn without_boxes_there_is_no_precision() {
    let names = ["Fracture".to_owned()];
    let none = BoxPredictions {
        names: &names,
        images: 2,
        truths: &[],
        detections: &[Detection { image: 1, class: 0, bbox: [0.0, 0.0, 1.0, 1.0], score: 0.5 }],
        patients: None,
    };
    let got = none.scores(Bootstrap { replicates: 5, seed: 0 }).unwrap();
    assert!(flat(&got.measures).iter().all(Option::is_none));
    assert!(flat(&got.ci.unwrap().measures).iter().all(Option::is_none));
    assert_eq!((got.boxes.0[0].1, got.detections), (0, 1));
}

#[test]
fn unusable_boxes_are_errors_that_name_them() {
    let problem = Problem::new(&fixture("detect")["perfect"]);
    let refused = |change: &dyn Fn(&mut Detection)| {
        let mut detections = problem.detections.clone();
        change(&mut detections[1]);
        let wrong = BoxPredictions { detections: &detections, ..problem.predictions() };
        wrong.scores(POINT).unwrap_err().to_string()
    };
    let message = refused(&|d| d.image = 5);
    assert!(
        message.starts_with("detection 1: expected the number of an image below 5"),
        "{message}"
    );
    assert!(refused(&|d| d.class = 3).contains("a class below 3, found 3"));
    assert!(refused(&|d| d.score = f64::NAN).contains("expected finite numbers, found NaN"));
    assert!(refused(&|d| d.bbox[2] = f64::INFINITY).contains("found inf"));
    let truths = [Truth { image: 9, class: 0, bbox: [0.0; 4], crowd: false }];
    let wrong = BoxPredictions { truths: &truths, ..problem.predictions() };
    assert!(wrong.scores(POINT).unwrap_err().to_string().starts_with("box 0: "));
}
