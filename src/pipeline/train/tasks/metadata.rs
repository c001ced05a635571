//! What the outputs of a network mean, kept with its weights.

use super::Task;
use crate::{
    data::{Dataset, Fit, Format, Kind, Labels, Source},
    weights::checkpoint::Metadata,
};

const KIND: &str = "kind";
const LABELS: &str = "labels";
const POSITIVE: &str = "positive";

/// What a film's numbers are before the z-score.
pub const GREY: &str = "0 to 255; other depths scaled to that; MONOCHROME1 inverted";

/// The kind of a source's labels (`classes`), their names (a list in JSON) and, of two classes, the
/// positive one, as metadata to keep with weights.
pub fn metadata(source: &Source, labels: &Labels) -> Metadata {
    let json = |value| serde_json::to_string(value).expect("names are plain data");
    let kind = serde_json::to_value(labels.kind).expect("a kind is a word");
    let kind = kind.as_str().expect("a kind is a word").to_owned();
    let mut metadata = Metadata::from([(KIND.into(), kind), (LABELS.into(), json(&labels.names))]);
    let second = match &labels.names[..] {
        [_, second] if labels.kind == Kind::Classes => Some(second),
        _ => None,
    };
    let positive = source.positive.as_ref().or(second);
    metadata.extend(positive.map(|name| (POSITIVE.into(), name.clone())));
    metadata
}

/// How a film becomes the input of a task's network, as metadata to keep with weights.
pub fn preparation(task: &dyn Task) -> Metadata {
    let data = task.data();
    let resize = match task.fit() {
        Fit::Stretch => "stretch to width x height, aspect not kept, bilinear with antialiasing",
        Fit::Letterbox => {
            "shrink or enlarge to fit width x height, sides rounded down, bilinear with \
             antialiasing; to the right and below 0"
        }
    };
    let metadata = [
        ("task", task.name().to_owned()),
        ("width", data.width.to_string()),
        ("height", data.height.to_string()),
        ("mean", data.mean.to_string()),
        ("std", data.std.to_string()),
        ("grey", GREY.into()),
        ("resize", resize.into()),
    ];
    metadata.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Whether `metadata` says what a network's outputs mean.
pub fn means(metadata: &Metadata) -> bool {
    recalled("", metadata).is_some()
}

/// A source and data set without films that have the labels of [`metadata`]; none where the metadata
/// is not there, as in weights of older versions.
pub(in crate::train) fn recalled(name: &str, metadata: &Metadata) -> Option<(Source, Dataset)> {
    let kind = serde_json::from_value(metadata.get(KIND)?.as_str().into()).ok()?;
    let names = serde_json::from_str(metadata.get(LABELS)?).ok()?;
    let mut source = Source::new(name, Format::Folder, "");
    source.positive = metadata.get(POSITIVE).cloned();
    let set = Dataset::new(name, Labels { kind, names });
    Some((source, set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_which_labels_there_were() {
        let mut source = Source::new("films", Format::Folder, "films");
        for (kind, positive, expected) in [
            (Kind::Classes, None, Some("b, \"b\"")),
            (Kind::Classes, Some("a"), Some("a")),
            (Kind::Multi, None, None),
            (Kind::Boxes, None, None),
            (Kind::Mask, None, None),
        ] {
            source.positive = positive.map(str::to_owned);
            let labels = Labels { kind, names: vec!["a".into(), "b, \"b\"".into()] };
            let (source, set) =
                recalled("films", &metadata(&source, &labels)).expect("it was just written");
            assert_eq!((set.labels, source.positive.as_deref()), (labels, expected));
        }
    }

    #[test]
    fn weights_without_words_tell_nothing() {
        assert!(recalled("films", &Metadata::new()).is_none());
    }
}
