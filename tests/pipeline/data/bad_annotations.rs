//! Annotations at fault.

use super::annotated::{coco, coco_source, pair_source, voc, voc_source};
use crate::films::data_error;
use mtpret_pipeline::data::{AnnotationShape, Class};
use serde_json::{Value, json};

fn coco_error(shape: AnnotationShape, change: impl Fn(&mut Value)) -> String {
    let mut json = coco();
    change(&mut json);
    let (dir, mut source) = coco_source(&json);
    source.shape = shape;
    data_error(source.read(), dir.path())
}

fn voc_error(xml: &str, classes: &[&str]) -> String {
    let (dir, mut source) = voc_source(xml);
    source.classes = classes.iter().map(|name| Class::new(name, &[])).collect();
    data_error(source.read(), dir.path())
}

fn starts(error: &str, wanted: &str) {
    assert!(error.starts_with(wanted), "{error}");
}

#[test]
fn a_coco_file_without_a_key_is_an_error_that_names_its_index() {
    for (list, at, key) in [
        ("images", 1, "id"),
        ("images", 1, "file_name"),
        ("images", 0, "width"),
        ("images", 0, "height"),
        ("categories", 1, "id"),
        ("categories", 0, "name"),
        ("annotations", 0, "id"),
        ("annotations", 0, "image_id"),
        ("annotations", 0, "category_id"),
        ("annotations", 0, "bbox"),
    ] {
        let error = coco_error(AnnotationShape::Boxes, |json| {
            json[list][at].as_object_mut().unwrap().remove(key);
        });
        starts(&error, &format!("all.json: {list}[{at}]: expected the key {key}, found "));
    }
    let error = coco_error(AnnotationShape::Mask, |json| {
        json["annotations"][0].as_object_mut().unwrap().remove("segmentation");
    });
    starts(&error, "all.json: annotations[0]: expected the key segmentation, found ");
    let list = coco_error(AnnotationShape::Boxes, |json| {
        json.as_object_mut().unwrap().remove("categories");
    });
    starts(&list, "all.json: expected the list categories, found none");
}

#[test]
fn ids_that_are_there_twice_are_errors() {
    let image = coco_error(AnnotationShape::Boxes, |json| json["images"][1]["id"] = json!(7));
    starts(&image, "all.json: images[1]: expected an id of its own, found 7, as at images[0]");
    let category =
        coco_error(AnnotationShape::Boxes, |json| json["categories"][1]["id"] = json!(3));
    starts(
        &category,
        "all.json: categories[1]: expected an id of its own, found 3, as at one above",
    );
    let annotation = coco_error(AnnotationShape::Boxes, |json| {
        let copy = json["annotations"][0].clone();
        json["annotations"].as_array_mut().unwrap().push(copy);
    });
    starts(
        &annotation,
        "all.json: annotations[1]: expected an id of its own, found 1, as at one above",
    );
    let film = coco_error(AnnotationShape::Boxes, |json| {
        json["images"][1]["file_name"] = json!("tb/a.png")
    });
    starts(
        &film,
        "all.json: images[1]: expected each film once, found imgs/tb/a.png here and at all.json: images[0]",
    );
}

#[test]
fn an_annotation_without_its_image_is_an_error() {
    let image =
        coco_error(AnnotationShape::Boxes, |json| json["annotations"][0]["image_id"] = json!(8));
    starts(&image, "all.json: annotations[0]: expected an image of id 8, found none");
    let film =
        coco_error(AnnotationShape::Boxes, |json| json["images"][1]["file_name"] = json!("z.png"));
    starts(&film, "all.json: images[1]: expected the film z.png below imgs, found no such file");
    let (dir, source) = voc_source(&voc(&[]).replace(">a<", ">z<"));
    let film = data_error(source.read(), dir.path());
    starts(&film, "xml/a.xml: expected the film z below imgs, found no such file");
    let (dir, source) = pair_source();
    std::fs::remove_file(dir.path().join("CXR_png/a.png")).unwrap();
    let film = data_error(source.read(), dir.path());
    starts(&film, "left/a.png: expected its film below CXR_png, found none");
}

#[test]
fn films_that_the_disk_lacks_can_be_left_out_and_counted() {
    let mut json = coco();
    json["images"][1]["file_name"] = json!("z.png");
    let (_dir, mut source) = coco_source(&json);
    source.partial = true;
    let dataset = source.read().unwrap();
    assert_eq!((dataset.train.len(), dataset.missing), (1, 1));
    let (dir, mut source) = pair_source();
    std::fs::remove_file(dir.path().join("right/a_mask.png")).unwrap();
    source.partial = true;
    let dataset = source.read().unwrap();
    assert_eq!((dataset.train.len(), dataset.unlabelled), (1, 1));
}

#[test]
fn a_film_without_its_mask_is_an_error() {
    let (dir, source) = pair_source();
    std::fs::remove_file(dir.path().join("left/b.png")).unwrap();
    let error = data_error(source.read(), dir.path());
    starts(&error, "CXR_png/b.png: expected its mask left/b.png, found no such file");
}

#[test]
fn a_box_outside_its_image_inverted_or_without_area_is_an_error() {
    for (bbox, problem) in [
        (
            json!([30, 5, 20, 10]),
            "expected a box within the image of 40x20, found the corners 30 5 and 50 15",
        ),
        (json!([-9, 5, 20, 10]), "expected a box within the image of 40x20"),
        (json!([40, 5, 1, 10]), "expected a box within the image of 40x20"),
        (json!([10, 5, 0, 10]), "expected a box of some width and height"),
        (json!([10, 5, 20, -2]), "expected the second corner right of and below the first"),
        (json!([10, 5, 20]), "expected four numbers as bbox, found 3"),
        (json!([10, 5, 20, "x"]), "expected a list of numbers"),
    ] {
        let error = coco_error(AnnotationShape::Boxes, |json| {
            json["annotations"][0]["bbox"] = bbox.clone()
        });
        starts(&error, &format!("all.json: annotations[0]: {problem}"));
    }
    let crowd =
        coco_error(AnnotationShape::Boxes, |json| json["annotations"][0]["iscrowd"] = json!(1));
    starts(&crowd, "all.json: annotations[0]: expected a box around one thing, found a crowd");
    for (corners, problem) in [
        ([0.0, 0.0, 9.0, 22.0], "expected a box within the image of 40x20"),
        ([9.0, 0.0, 3.0, 9.0], "expected the second corner right of and below the first"),
        ([9.0, 3.0, 9.0, 9.0], "expected a box of some width and height"),
        ([f32::NAN, 3.0, 9.0, 9.0], "expected numbers"),
    ] {
        let error = voc_error(&voc(&[("a", [1.0, 1.0, 2.0, 2.0]), ("a", corners)]), &[]);
        starts(&error, &format!("xml/a.xml:6: {problem}"));
    }
}

#[test]
fn a_box_of_an_unknown_class_is_an_error() {
    let category =
        coco_error(AnnotationShape::Boxes, |json| json["annotations"][0]["category_id"] = json!(5));
    starts(&category, "all.json: annotations[0]: expected a category of id 5, found none");
    let (dir, mut source) = coco_source(&coco());
    source.classes = vec![Class::new("latent", &[])];
    let class = data_error(source.read(), dir.path());
    starts(
        &class,
        "all.json: annotations[0]: expected one of the classes latent, found \"active\"",
    );
    let class = voc_error(&voc(&[("activ", [1.0, 1.0, 2.0, 2.0])]), &["active", "latent"]);
    starts(&class, "xml/a.xml:4: expected one of the classes active, latent, found \"activ\"");
    assert!(class.ends_with("did you mean active?"), "{class}");
}

#[test]
fn outlines_that_are_none_are_errors() {
    for (segmentation, problem) in [
        (
            json!({ "counts": [1], "size": [2, 2] }),
            "expected outlines as segmentation, found a run-length code",
        ),
        (json!([]), "expected outlines as segmentation, found []"),
        (json!([[1, 2, 3, 4]]), "expected x and y of three corners or more, found 4 numbers"),
        (
            json!([[1, 2, 3, 4, 5, 6, 7]]),
            "expected x and y of three corners or more, found 7 numbers",
        ),
        (
            json!([[1, 2, 3, 4, 50, 6]]),
            "expected an outline within the image of 40x20, found the corner 50 6",
        ),
    ] {
        let error = coco_error(AnnotationShape::Mask, |json| {
            json["annotations"][0]["segmentation"] = segmentation.clone();
        });
        starts(&error, &format!("all.json: annotations[0]: {problem}"));
    }
}

#[test]
fn files_that_are_neither_json_nor_xml_are_errors() {
    let (dir, source) = coco_source(&coco());
    std::fs::write(dir.path().join("all.json"), "{\n\"images\": [").unwrap();
    starts(&data_error(source.read(), dir.path()), "all.json:2: expected JSON, found ");
    starts(
        &voc_error("<annotation>\n<size></annotation>", &[]),
        "xml/a.xml:2: expected XML, found ",
    );
    let missing = voc_error("<annotation>\n<size><width>9</width></size></annotation>", &[]);
    starts(&missing, "xml/a.xml:2: expected the element height in size, found none");
    let words = voc_error(&voc(&[]).replace(">40<", ">wide<"), &[]);
    starts(&words, "xml/a.xml:2: expected a number in width, found \"wide\"");
}
