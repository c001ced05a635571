//! The numbers of `metrics.jsonl` as TensorBoard reads them: events in protobuf, framed as records of TensorFlow
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord>).

use crate::{Error, Result};
use prost::Message;
use serde_json::Value as Json;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// `tensorflow.Event`, of which TensorBoard needs this much.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// Steps done, or epochs of what is measured once an epoch.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// `brain.Event:2` in the first event of a file, and only there.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// The numbers.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// One for each number.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Scalar>,
}

/// `tensorflow.Summary.Value` that holds one number.
#[derive(Clone, PartialEq, Message)]
pub struct Scalar {
    /// Its name: stage and key, `finetune pneumonia/loss`.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The number.
    #[prost(float, tag = "2")]
    pub simple_value: f32,
}

/// Keys that say when, not what.
const CLOCKS: [&str; 3] = ["step", "steps", "epoch"];

/// Appends the numbers of one line of metrics to the events in `folder`; a run that is resumed goes on in its file.
///
/// # Errors
/// [`Error::Io`] if the disk is full or the folder is not writable.
pub fn append(folder: &Path, line: &Json) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64());
    let mut bytes = Vec::new();
    let path = match existing(folder) {
        Some(path) => path,
        None => {
            let version = Some("brain.Event:2".into());
            bytes = framed(&Event { wall_time: now, file_version: version, ..Event::default() });
            folder.join(format!("{PREFIX}{}.mtpret", now as u64))
        }
    };
    let mut value = Vec::new();
    numbers(line["stage"].as_str().unwrap_or("run"), line, &mut value);
    let step = CLOCKS.iter().find_map(|key| line[key].as_i64()).unwrap_or(0);
    let summary = Some(Summary { value });
    bytes.extend(framed(&Event { wall_time: now, step, file_version: None, summary }));
    let file = fs::OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(&bytes))
        .map_err(|e| Error::io(&path, e, "make room on the disk"))
}

/// How names of event files begin: by it TensorBoard finds them.
const PREFIX: &str = "events.out.tfevents.";

/// The event file of a folder.
fn existing(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
    };
    entries.filter(named).min()
}

/// Every number below `json`, under the path that leads to it.
fn numbers(tag: &str, json: &Json, into: &mut Vec<Scalar>) {
    for (key, value) in json.as_object().into_iter().flatten() {
        let tag = format!("{tag}/{key}");
        match value.as_f64().filter(|_| !CLOCKS.contains(&key.as_str())) {
            Some(number) => into.push(Scalar { tag, simple_value: number as f32 }),
            None => numbers(&tag, value, into),
        }
    }
}

/// A record: its length and that length's checksum, the event and its checksum.
fn framed(event: &Event) -> Vec<u8> {
    let event = event.encode_to_vec();
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend(&event);
    record.extend(masked(&event).to_le_bytes());
    record
}

/// CRC-32C, turned and moved so that a checksum of checksums is not weak.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, each checked against its sums.
    fn events(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let number =
                |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
            let length = number(0) as usize;
            assert_eq!(number(8), masked(&bytes[..8]));
            assert_eq!(number(12 + length), masked(&bytes[12..12 + length]));
            events.push(Event::decode(&bytes[12..12 + length]).expect("an event"));
            bytes = &bytes[16 + length..];
        }
        events
    }

    #[test]
    fn lines_of_a_run_and_of_its_resumption_are_one_file_of_whole_records() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = |step: u64| serde_json::json!({"stage": "finetune x", "step": step, "steps": 9, "loss": 0.5, "lr": 0.01});
        append(folder.path(), &line(1)).expect("room");
        append(folder.path(), &line(2)).expect("room");
        let scores = serde_json::json!({"stage": "finetune x", "epoch": 3, "validation": {"auc": {"flu": 0.9, "none": null}}});
        append(folder.path(), &scores).expect("room");
        let files: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().collect();
        assert_eq!(files.len(), 1);
        let all = events(&fs::read(files[0].path()).expect("a file"));
        assert_eq!(all[0].file_version.as_deref(), Some("brain.Event:2"));
        let steps: Vec<i64> = all[1..].iter().map(|event| event.step).collect();
        assert_eq!(steps, [1, 2, 3]);
        let tags = |event: &Event| -> Vec<(String, f32)> {
            let values = &event.summary.as_ref().expect("numbers").value;
            values.iter().map(|v| (v.tag.clone(), v.simple_value)).collect()
        };
        assert_eq!(
            tags(&all[1]),
            [("finetune x/loss".into(), 0.5), ("finetune x/lr".into(), 0.01)]
        );
        assert_eq!(tags(&all[3]), [("finetune x/validation/auc/flu".into(), 0.9)]);
    }

    #[test]
    fn a_checksum_is_that_of_the_castagnoli_polynomial_masked() {
        // CRC-32C of "123456789" is 0xe3069283 (RFC 3720, B.4).
        assert_eq!(
            masked(b"123456789"),
            0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8)
        );
    }
}
