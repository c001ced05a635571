//! Detections on films as COCO's JSON (<https://cocodataset.org/#format-results>), which pycocotools reads.

use serde_json::{Map, Value, json};

/// Film and the marks on it, or why it could not be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Path of the film.
    pub name: String,
    /// Width and height in pixels; none of a film that could not be read.
    pub size: Option<[usize; 2]>,
    /// Further fields of the film's entry.
    pub fields: Map<String, Value>,
    /// Marks that lie on the film.
    pub marks: Vec<Mark>,
}

/// Mark of something found on a film.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Index of its category, from 0.
    pub category: usize,
    /// Score: how sure it is, 0 to 1.
    pub score: f64,
    /// Place of the mark.
    pub shape: Shape,
}

/// Shape of a mark, in pixels of the film.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Box: left, top, right and bottom.
    Box([f64; 4]),
    /// Mask of pixels.
    Mask(Mask),
}

/// A mask, run-length coded.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// Width and height.
    size: [usize; 2],
    /// COCO's compressed code: lengths of the runs of 0 and 1 in turn, down one column after the other.
    pub counts: String,
    /// Number of pixels that are 1.
    pub area: usize,
}

impl Mask {
    /// Encodes a mask of `size` (width, height), given row by row.
    ///
    /// # Panics
    /// If the mask has another size.
    #[must_use]
    pub fn new(mask: &[bool], size: [usize; 2]) -> Self {
        let [width, height] = size;
        assert_eq!(mask.len(), width * height, "a mask has its size");
        let (mut runs, mut value, mut area) = (vec![0], false, 0);
        for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
            let here = mask[y * width + x];
            if here != value {
                runs.push(0);
                value = here;
            }
            *runs.last_mut().expect("there is a run") += 1;
            area += usize::from(here);
        }
        Self { size, counts: code(&runs), area }
    }
}

/// Encodes runs: each run less the one before the last, as digits of five bits, the lowest first; a digit's sixth bit
/// says that another follows, the fifth bit of the last is the sign.
fn code(runs: &[i64]) -> String {
    let mut text = String::new();
    for (at, run) in runs.iter().enumerate() {
        let mut rest = if at > 2 { run - runs[at - 2] } else { *run };
        loop {
            let digit = (rest & 0x1f) as u8;
            rest >>= 5;
            let ended = rest == if digit & 0x10 == 0 { 0 } else { -1 };
            text.push(char::from(48 + digit + if ended { 0 } else { 0x20 }));
            if ended {
                break;
            }
        }
    }
    text
}

/// Document of films, what is on them and the names of the categories, in one file that stands alone: `annotations`
/// is a list of results, each with its score. Films and categories are numbered from 1.
#[must_use]
pub fn document(info: Value, images: &[Image], categories: &[String]) -> Value {
    let (mut films, mut annotations) = (Vec::new(), Vec::new());
    for (image, id) in images.iter().zip(1..) {
        let mut film = json!({ "id": id, "file_name": image.name });
        let entries = film.as_object_mut().expect("a film is an object");
        if let Some([width, height]) = image.size {
            entries.extend([("width".into(), width.into()), ("height".into(), height.into())]);
        }
        entries.extend(image.fields.clone());
        films.push(film);
        for mark in &image.marks {
            let number = annotations.len() + 1;
            annotations.push(annotation(mark, number, id));
        }
    }
    let categories: Vec<Value> =
        categories.iter().zip(1..).map(|(name, id)| json!({ "id": id, "name": name })).collect();
    json!({ "info": info, "images": films, "categories": categories, "annotations": annotations })
}

fn annotation(mark: &Mark, number: usize, image: usize) -> Value {
    let (category, score) = (mark.category + 1, mark.score);
    match &mark.shape {
        Shape::Box([left, top, right, bottom]) => {
            let bbox = [*left, *top, right - left, bottom - top];
            json!({ "id": number, "image_id": image, "category_id": category, "bbox": bbox,
                    "score": score, "area": bbox[2] * bbox[3], "iscrowd": 0 })
        }
        Shape::Mask(mask) => {
            let [width, height] = mask.size;
            // Without a box: with one, pycocotools would take the box's area for the mask's.
            json!({ "id": number, "image_id": image, "category_id": category,
                    "segmentation": { "size": [height, width], "counts": mask.counts },
                    "score": score, "area": mask.area, "iscrowd": 0 })
        }
    }
}
