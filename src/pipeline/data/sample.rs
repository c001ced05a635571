//! The small data sets that come with the program (`LICENSES.md` among them says whence).

use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::{Error, Result};

static SAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../tests/data/sample");

/// Writes the sample below `into`: `chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg` (Kermany) with
/// `chest_xray/lungs_{train,val,test}.json` for boxes and outlines of the lungs, which networks drew; `fracatlas/images/*.jpg`
/// with `fracatlas/manifest.csv` for classes and `fracatlas/fractures_{train,val,test}.json` for boxes and outlines
/// (FracAtlas); `LICENSES.md`.
///
/// A file that is there already with the same size is left alone.
///
/// # Errors
/// [`Error::Io`] if a folder or file cannot be written.
pub fn unpack(into: &Path) -> Result<()> {
    write(&SAMPLE, into)
}

fn write(dir: &Dir<'_>, into: &Path) -> Result<()> {
    let mend = "name a folder on a disk with 6 MB to spare";
    let folder = into.join(dir.path());
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e, mend))?;
    for file in dir.files() {
        let path = into.join(file.path());
        let size = file.contents().len() as u64;
        if std::fs::metadata(&path).is_ok_and(|there| there.is_file() && there.len() == size) {
            continue;
        }
        std::fs::write(&path, file.contents()).map_err(|e| Error::io(&path, e, mend))?;
    }
    dir.dirs().try_for_each(|inner| write(inner, into))
}
