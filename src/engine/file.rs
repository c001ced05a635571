//! Files that are replaced whole or not at all.

use crate::{Error, Result};
use std::{
    fs::{self, File},
    io::{self, BufWriter, IntoInnerError},
    path::Path,
};

/// Writes a file by `write` beside `path`, forces it to the disk and puts it in the place of
/// `path` in one step, so that `path` is never seen in part. Nothing is left behind by a failure;
/// what a killed process leaves, `.NAME.part`, the next call overwrites.
///
/// # Errors
/// [`Error::Io`] with what the system said; `path` is then as it was before.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let mut part = std::ffi::OsString::from(".");
    part.push(path.file_name().unwrap_or_default());
    part.push(".part");
    let part = path.with_file_name(part);
    let done = fill(&part, write).and_then(|()| {
        fs::rename(&part, path)?;
        sync_folder(path)
    });
    done.map_err(|fault| {
        // There is nothing to remove if the file could not be made, or stands in place already.
        let _ = fs::remove_file(&part);
        let mend = "free space there or name another folder; an older file there is unharmed";
        Error::io(path, fault, mend)
    })
}

fn fill(part: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(part)?);
    write(&mut file)?;
    file.into_inner().map_err(IntoInnerError::into_error)?.sync_all()
}

/// Forces the rename itself to the disk, where folders can be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match File::open(folder.unwrap_or(Path::new(".")))?.sync_all() {
        // Some network file systems refuse it; the file itself is on the disk.
        Err(fault) if fault.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}
