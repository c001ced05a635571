//! The numbers of `metrics.jsonl` as TensorBoard reads them: events in protobuf, framed as records of TensorFlow
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord>).

use crate::{Error, Result};
use mtpret_engine::file;
use prost::Message;
use serde_json::Value as Json;
use std::{
    fs::{File, OpenOptions},
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
    /// Steps done.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// `brain.Event:2` in the first event of a file, and only there.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// The numbers.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
    /// That a process begins.
    #[prost(message, optional, tag = "7")]
    pub session_log: Option<SessionLog>,
}

impl Event {
    /// An event of now that says nothing yet.
    fn now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self { wall_time: now.map_or(0.0, |t| t.as_secs_f64()), ..Self::default() }
    }
}

/// `tensorflow.SessionLog`: readers drop what earlier files say of this step and later ones.
#[derive(Clone, PartialEq, Message)]
pub struct SessionLog {
    /// 1: a process begins.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// `SessionLog.START`.
const START: i32 = 1;

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
    // Optional to prost, which would leave a 0 out; TensorBoard takes what is not there for no number.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
}

/// Keys that say when, not what; the first that a line has is its event's step.
const CLOCKS: [&str; 3] = ["step", "steps", "epoch"];

/// The events of one process. They go into a file of its own, as TensorBoard expects: a record that a killed process left
/// in the middle would hide all that came behind it, and a file that TensorBoard follows must not become shorter.
pub struct Events {
    folder: PathBuf,
    /// The step from which on earlier files are out of date.
    from: u64,
    /// Open from the first event on.
    file: Option<(PathBuf, File)>,
}

impl Events {
    /// Of a process that tells of the run in `folder` from step `from` on: again, where one before it came further.
    pub fn new(folder: &Path, from: u64) -> Self {
        Self { folder: folder.into(), from, file: None }
    }
    /// Adds the numbers of one line of metrics.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk is full or the folder is not writable.
    pub fn write(&mut self, line: &Json) -> Result<()> {
        let mut value = Vec::new();
        numbers(line["stage"].as_str().unwrap_or("run"), line, &mut value);
        let step = CLOCKS.iter().find_map(|key| line[key].as_i64()).unwrap_or(0);
        let event = Event { step, summary: Some(Summary { value }), ..Event::now() };
        let mut records = Vec::new();
        if self.file.is_none() {
            records = self.first();
            let seconds = event.wall_time as u64;
            let name = format!("events.out.tfevents.{seconds}.{}.mtpret", std::process::id());
            let path = self.folder.join(name);
            let file = file::open_own(OpenOptions::new().create(true).append(true), &path);
            let file =
                file.map_err(|e| Error::io(&path, e, "name a folder that can be written"))?;
            self.file = Some((path, file));
        }
        records.extend(framed(&event));
        let (path, file) = self.file.as_mut().expect("it was opened");
        // In one piece and not buffered: what is told survives the process.
        file.write_all(&records).map_err(|e| Error::io(path, e, "make room on the disk"))
    }
    /// What stands first in a file: its version, and that a process begins, at whose step readers cut earlier files off.
    fn first(&self) -> Vec<u8> {
        let version = Some("brain.Event:2".into());
        let step = i64::try_from(self.from).unwrap_or(i64::MAX);
        let session_log = Some(SessionLog { status: START });
        let begun = Event { step, session_log, ..Event::now() };
        [Event { file_version: version, ..Event::now() }, begun].iter().flat_map(framed).collect()
    }
}

/// Every number below `json`, under the path that leads to it.
fn numbers(tag: &str, json: &Json, into: &mut Vec<Scalar>) {
    for (key, value) in json.as_object().into_iter().flatten() {
        let tag = format!("{tag}/{key}");
        match value.as_f64().filter(|_| !CLOCKS.contains(&key.as_str())) {
            Some(number) => into.push(Scalar { tag, simple_value: Some(number as f32) }),
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

/// CRC-32C, rotated and offset ("masked") so that a checksum of checksums is not weak.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
    fn lines_of_a_run_and_of_its_resumption_are_files_of_whole_records() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = |step: u64| serde_json::json!({"stage": "finetune x", "step": step, "steps": 9, "loss": 0.5, "lr": 0.0});
        let all = |events: &Events| {
            let (path, _) = events.file.as_ref().expect("something was told");
            super::tests::events(&fs::read(path).expect("a file"))
        };
        let mut first = Events::new(folder.path(), 0);
        first.write(&line(1)).expect("room");
        first.write(&line(2)).expect("room");
        let scores = serde_json::json!({"stage": "finetune x", "step": 2, "epoch": 0, "validation": {"auc": {"flu": 0.9, "none": null}}});
        first.write(&scores).expect("room");
        let told = all(&first);
        assert_eq!(told[0].file_version.as_deref(), Some("brain.Event:2"));
        let steps = |told: &[Event]| -> Vec<(i64, Option<SessionLog>)> {
            told.iter().map(|event| (event.step, event.session_log.clone())).collect()
        };
        let start = Some(SessionLog { status: START });
        assert_eq!(steps(&told[1..]), [(0, start.clone()), (1, None), (2, None), (2, None)]);
        let tags = |event: &Event| -> Vec<(String, Option<f32>)> {
            let values = &event.summary.as_ref().expect("numbers").value;
            values.iter().map(|v| (v.tag.clone(), v.simple_value)).collect()
        };
        assert_eq!(
            tags(&told[2]),
            [("finetune x/loss".into(), Some(0.5)), ("finetune x/lr".into(), Some(0.0))]
        );
        assert_eq!(tags(&told[4]), [("finetune x/validation/auc/flu".into(), Some(0.9))]);
        // A process that goes on after the first step says that the second comes again.
        let (path, _) = first.file.as_ref().expect("something was told");
        fs::remove_file(path).expect("a file");
        let mut second = Events::new(folder.path(), 2);
        second.write(&line(2)).expect("room");
        assert_eq!(steps(&all(&second)[1..]), [(2, start), (2, None)]);
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
