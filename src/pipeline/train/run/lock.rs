//! The lock on a run's folder: one process at a time writes there.

use crate::{Error, Result};
use mtpret_engine::file;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Seek, Write},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// The file that is locked, in the run's folder. It stays there, empty, so that whoever waits for it has the same one.
const FILE: &str = ".lock";

/// A run's folder, held by this process. The system lets go of it even where the process is killed, so that what is written
/// in a lock that can be had is of a process that has ended.
pub(super) struct Lock(File);

/// Who holds a lock, as it is written there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Holder {
    host: String,
    process: u32,
    /// Seconds since 1970 in UTC.
    started: u64,
}

/// Holds the folder of a run against every other process that would write there, as long as what it gives lives; in words, who
/// left it there without an end.
///
/// # Errors
/// Another process holds it, or the folder cannot be written.
pub fn hold(folder: &Path) -> Result<(impl Sized + use<>, Option<String>)> {
    Lock::take(folder)
}

/// As [`hold`], where the folder is a run's: another's needs no lock, and is not given the file of one.
///
/// # Errors
/// As [`hold`].
pub fn hold_run(folder: &Path) -> Result<impl Sized + use<>> {
    folder.join(FILE).exists().then(|| Lock::take(folder)).transpose()
}

impl Lock {
    /// Takes the lock of `folder`; in words, who left it there without an end.
    ///
    /// # Errors
    /// Another process holds it, or the folder cannot be written.
    pub(super) fn take(folder: &Path) -> Result<(Self, Option<String>)> {
        let path = folder.join(FILE);
        let refused = |fault| Error::io(&path, fault, "name a folder that can be written");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = file::open_own(&mut options, &path).map_err(refused)?;
        let locked = file.try_lock();
        let holder = Holder::read(&path);
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(held(folder, holder.as_ref(), "wait for its end"));
            }
            // A file system without locks: what is written counts.
            Err(TryLockError::Error(fault)) if fault.kind() == ErrorKind::Unsupported => {
                if let Some(holder) = holder.as_ref().filter(|holder| !holder.has_ended()) {
                    let mend = format!("if it has ended, remove {}", path.display());
                    return Err(held(folder, Some(holder), &mend));
                }
            }
            Err(TryLockError::Error(fault)) => return Err(refused(fault)),
        }
        let text = serde_json::to_string(&Holder::here()).expect("a holder is plain data");
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(refused)?;
        let left = holder.map(|holder| format!("{holder} ended without leaving the run folder"));
        Ok((Self(file), left))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock itself goes with the file's handle.
        let _ = self.0.set_len(0);
    }
}

impl Holder {
    /// This process.
    fn here() -> Self {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let started = started.map_or(0, |time| time.as_secs());
        Self { host: host(), process: std::process::id(), started }
    }
    /// What is written in a lock; none where nobody holds it, or where it cannot be read while it is held.
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }
    /// Whether it is known to have ended: a process of this machine, that is not there any more.
    fn has_ended(&self) -> bool {
        let processes = PathBuf::from("/proc");
        let known = processes.join("self").exists() && self.host == host();
        known && !processes.join(self.process.to_string()).exists()
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let seconds = Self::here().started.saturating_sub(self.started);
        let ago = match seconds {
            0..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            _ => format!("{} h", seconds / 3600),
        };
        write!(f, "process {} of {}, begun {ago} ago,", self.process, self.host)
    }
}

/// The refusal of a folder that another process holds.
fn held(folder: &Path, holder: Option<&Holder>, mend: &str) -> Error {
    let holder = holder.map_or("another process".to_owned(), Holder::to_string);
    let found = format!("that {holder} writes there");
    Error::config(
        folder,
        "a run folder for this process alone",
        found,
        format!("{mend}, or name another folder"),
    )
}

/// This machine's name.
fn host() -> String {
    let told = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| {
        let told = Command::new("hostname").output().ok()?;
        String::from_utf8(told.stdout).ok()
    });
    let told = told.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    told.unwrap_or_else(|| "this machine".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_refused_by_name_and_a_lock_that_is_left_over_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, left) = Lock::take(folder.path()).expect("nobody holds it");
        assert_eq!(left, None);
        let refusal = Lock::take(folder.path()).err().expect("it is held").to_string();
        let here = format!("found that process {} of {}, begun ", std::process::id(), host());
        assert!(refusal.contains(&here), "{refusal}");
        drop(first);
        let (last, left) = Lock::take(folder.path()).expect("nobody holds it");
        assert_eq!(left, None);
        drop(last);
        // A process that was killed empties nothing.
        let killed = Holder { process: 4_000_000, ..Holder::here() };
        assert!(killed.has_ended() || !cfg!(target_os = "linux"));
        fs::write(folder.path().join(FILE), serde_json::to_string(&killed).expect("plain data"))
            .expect("room");
        let (_, left) = Lock::take(folder.path()).expect("nobody holds it");
        assert!(left.is_some_and(|left| left.starts_with("process 4000000 of ")));
    }
}
