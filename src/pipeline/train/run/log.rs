//! The log of a run: lines of `metrics.jsonl`, and TensorBoard's events beside it.

use super::tensorboard::Events;
use crate::{Error, Result};
use mtpret_engine::file;
use serde_json::Value as Json;
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// The file of the lines.
const FILE: &str = "metrics.jsonl";

/// The open files. Each line is written at once and whole, so that a process that is killed loses none of them.
pub struct MetricsLog {
    path: PathBuf,
    lines: File,
    bytes: u64,
    events: Events,
}

impl MetricsLog {
    /// Goes on in a run's folder behind the first `keep` bytes of its lines, which tell of the steps before `from`.
    ///
    /// What a killed process wrote behind its last checkpoint is told again by who goes on from there, and the line that it
    /// left in the middle is no line: both are cut off.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder is not writable.
    pub fn open(folder: &Path, keep: u64, from: u64) -> Result<Self> {
        let path = folder.join(FILE);
        let opened = whole(&path, keep).and_then(|bytes| {
            let lines = file::open_own(OpenOptions::new().create(true).append(true), &path)?;
            Ok((lines, bytes))
        });
        let fault = |e| Error::io(&path, e, "name a folder that can be written");
        let (lines, bytes) = opened.map_err(fault)?;
        Ok(Self { path, lines, bytes, events: Events::new(folder, from) })
    }
    /// Adds a line, and its numbers as an event.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk is full.
    pub fn write(&mut self, value: &Json) -> Result<()> {
        let line = format!("{value}\n");
        self.lines
            .write_all(line.as_bytes())
            .map_err(|e| Error::io(&self.path, e, "make room on the disk"))?;
        self.bytes += line.len() as u64;
        self.events.write(value)
    }
    /// Bytes of all lines so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Cuts a file behind the last line that ends within its first `keep` bytes; the bytes that are left.
fn whole(path: &Path, keep: u64) -> std::io::Result<u64> {
    let mut text = Vec::new();
    match file::open_own(OpenOptions::new().read(true), path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        file => file?.read_to_end(&mut text)?,
    };
    let kept = &text[..text.len().min(usize::try_from(keep).unwrap_or(usize::MAX))];
    let end = kept.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1) as u64;
    if end < text.len() as u64 {
        OpenOptions::new().write(true).open(path)?.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    #[cfg(unix)]
    fn a_planted_link_is_no_log_and_no_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let theirs = folder.path().join("theirs");
        fs::write(&theirs, "{\"step\":1}\n").expect("room");
        for name in [FILE, ".lock"] {
            std::os::unix::fs::symlink(&theirs, folder.path().join(name)).expect("a link");
        }
        let log = MetricsLog::open(folder.path(), 0, 0).err().expect("a link").to_string();
        let lock = super::super::hold(folder.path()).err().expect("a link").to_string();
        for refusal in [log, lock] {
            assert!(refusal.contains("there is a link, which is not followed"), "{refusal}");
        }
        assert_eq!(fs::read(&theirs).expect("a file"), b"{\"step\":1}\n");
    }

    #[test]
    fn a_line_in_the_middle_and_lines_behind_a_checkpoint_are_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let line = |step: u64| serde_json::json!({ "stage": "x", "step": step });
        let mut log = MetricsLog::open(folder.path(), 0, 0).expect("a folder");
        log.write(&line(1)).expect("room");
        let saved = log.bytes();
        log.write(&line(2)).expect("room");
        drop(log);
        let all = fs::read(&path).expect("lines");
        fs::write(&path, [&all[..], b"{\"stage\":\"x\",\"st"].concat()).expect("room");
        let mended = MetricsLog::open(folder.path(), u64::MAX, 0).expect("a folder");
        assert_eq!((mended.bytes(), fs::read(&path).expect("lines")), (all.len() as u64, all));
        let mut rewound = MetricsLog::open(folder.path(), saved, 2).expect("a folder");
        rewound.write(&line(2)).expect("room");
        let text = fs::read_to_string(&path).expect("lines");
        assert_eq!(text, format!("{}\n{}\n", line(1), line(2)));
        assert_eq!(rewound.bytes(), text.len() as u64);
        MetricsLog::open(folder.path(), 0, 0).expect("a folder");
        assert_eq!(fs::read(&path).expect("lines"), b"");
    }
}
