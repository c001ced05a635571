//! Files that are replaced whole or not at all.

use crate::{Error, Result};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use tempfile::{NamedTempFile, TempPath};

/// Number of letters of a file's name that the name of its part keeps.
const KEPT: usize = 60;
/// Number of times that a part is made anew that another process swept away at once.
const TRIES: usize = 16;

/// Readers of a file that is written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// Everybody whom the system's own rules let.
    All,
    /// The owner alone.
    Owner,
}

/// Writes a file by `write` beside `path`, forces it to the disk and puts it in the place of
/// `path` in one step, so that `path` is never seen in part. The part, `.NAME.XXXXXX.part`, is a new file under a name
/// that nobody can foretell; a link in its place or in that of `path` is not followed. Nothing is left behind by a
/// failure; what a killed process leaves, the next call for the same `path` removes.
///
/// # Errors
/// [`Error::Io`] with what the system said; `path` is then as it was before.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    replaced(path, Readers::All, write)
}

/// Writes a file that a person named. As [`replace`], but a link there is theirs and is followed to the file behind it; and what
/// is no file that could be replaced, such as a pipe, a device or `/dev/stdout`, is written into.
///
/// # Errors
/// As [`replace`].
pub fn put(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    if !written_into(path) {
        let path = target(path);
        // What others may not read is not shown to them by a second writing.
        let readers = if is_private(&path) { Readers::Owner } else { Readers::All };
        return replaced(&path, readers, write);
    }
    // What the shell has sent to the same place before stays there.
    let fill = || {
        let mut file = BufWriter::new(File::options().append(true).open(path)?);
        write(&mut file)?;
        file.flush()
    };
    fill().map_err(|fault| Error::io(path, fault, "name a file, or something that takes bytes"))
}

/// Path of the file that a person means: the end of a link, where it leads to something.
pub fn target(path: &Path) -> PathBuf {
    let link = path.is_symlink();
    link.then(|| path.canonicalize().ok()).flatten().unwrap_or_else(|| path.to_owned())
}

/// Opens a file of the program's own, which is no link: one that was planted under a name that can be foretold would lead to
/// another's file.
///
/// # Errors
/// There is a link, or what the system says.
pub fn open_own(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW);
    let opened = options.open(path);
    match path.is_symlink() {
        true => Err(io::Error::other("there is a link, which is not followed: remove it")),
        false => opened,
    }
}

/// Whether there is a file that its owner alone may read.
fn is_private(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o077 == 0)
    }
    #[cfg(not(unix))]
    false
}

/// Whether a path leads to no file that could be replaced: to a pipe or a device, or by a name that the system has for what is
/// open already.
fn written_into(path: &Path) -> bool {
    let open = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    fs::metadata(path).is_ok_and(|about| open && !about.is_dir() || special(&about))
}

/// Whether something is neither a file nor a folder nor a link.
fn special(about: &fs::Metadata) -> bool {
    !about.is_file() && !about.is_dir() && !about.is_symlink()
}

/// Replaces as [`replace`], and only the owner may read the file, where the system knows owners: for what names
/// patients.
///
/// # Errors
/// As [`replace`].
pub fn replace_private(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    replaced(path, Readers::Owner, write)
}

fn replaced(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|about| special(&about)) {
        let fault = io::Error::other("there is a device or a pipe, which no file replaces");
        return Err(Error::io(path, fault, "name a file"));
    }
    let fill = || -> io::Result<()> {
        let (file, part) = part(path, readers)?;
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        // A part that does not get there is removed as it is dropped. Its lock is kept until it is there.
        part.persist(path)?;
        sync_folder(path)
    };
    fill().map_err(|fault| {
        let mend = "free space there or name another folder; an older file there is unharmed";
        Error::io(path, fault, mend)
    })
}

/// Creates a locked file beside `path`, once what killed processes left of the same name is gone.
fn part(path: &Path, readers: Readers) -> io::Result<(File, TempPath)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let begin = format!(".{}.", name.chars().take(KEPT).collect::<String>());
    sweep(folder(path), &begin);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&begin).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The process's umask takes its share of these permissions too.
        let mode = if readers == Readers::Owner { 0o600 } else { 0o666 };
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut made = builder.tempfile_in(folder(path))?;
    for _ in 0..TRIES {
        if !swept(&made) {
            break;
        }
        made = builder.tempfile_in(folder(path))?;
    }
    let (file, part) = made.into_parts();
    Ok((file, part))
}

/// Locks a part, and says whether another process took it for a dead one's before that.
fn swept(part: &NamedTempFile) -> bool {
    match part.as_file().try_lock() {
        // Where files cannot be locked, nothing is swept.
        Err(fs::TryLockError::Error(_)) => false,
        Err(fs::TryLockError::WouldBlock) => true,
        Ok(()) => !part.path().exists(),
    }
}

/// Removes the parts whose names begin so and that no living process has locked. What cannot be removed stays: it is in
/// nobody's way.
fn sweep(folder: &Path, begin: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Neither links nor folders.
        let file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !(file && name.starts_with(begin) && name.ends_with(".part")) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The folder that a file lies in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Forces the rename itself to the disk, where folders can be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder(path))?.sync_all() {
        // Some network file systems refuse it; the file itself is on the disk.
        Err(fault) if fault.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{
        io::Read,
        os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
        process::Command,
    };

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("theirs"), "theirs").unwrap();
        for link in [".new.part", "new"] {
            symlink(at("theirs"), at(link)).unwrap();
        }
        let mut seen = Vec::new();
        for _ in 0..2 {
            replace(&at("new"), |file| {
                seen.extend(names(place.path()).into_iter().filter(|name| name.len() > 10));
                file.write_all(b"ours")
            })
            .unwrap();
        }
        assert_eq!(fs::read(at("theirs")).unwrap(), b"theirs");
        assert_eq!(fs::read(at("new")).unwrap(), b"ours");
        assert!(!at("new").is_symlink());
        // Another name each time.
        assert!(seen.len() == 2 && seen[0] != seen[1], "{seen:?}");
    }

    #[test]
    fn a_link_in_the_place_of_an_own_file_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("theirs"), "theirs").unwrap();
        symlink(at("theirs"), at("own")).unwrap();
        symlink(at("nothing"), at("new")).unwrap();
        for name in ["own", "new"] {
            let mut options = OpenOptions::new();
            let fault = open_own(options.create(true).append(true), &at(name)).unwrap_err();
            assert!(fault.to_string().contains("a link, which is not followed"), "{fault}");
        }
        assert_eq!(fs::read(at("theirs")).unwrap(), b"theirs");
        assert!(!at("nothing").exists());
        open_own(OpenOptions::new().create(true).append(true), &at("fresh")).unwrap();
    }

    #[test]
    fn a_person_s_link_is_followed_and_a_pipe_is_written_into() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("far")).unwrap();
        fs::write(at("far/own"), "old").unwrap();
        symlink("far/own", at("link")).unwrap();
        put(&at("link"), |file| file.write_all(b"new")).unwrap();
        assert!(at("link").is_symlink() && names(&at("far")) == ["own"]);
        assert_eq!(fs::read(at("far/own")).unwrap(), b"new");
        // A link to nothing is replaced.
        symlink("nowhere", at("lost")).unwrap();
        put(&at("lost"), |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(at("lost")).unwrap(), b"new");

        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        symlink(at("pipe"), at("to-pipe")).unwrap();
        for name in ["pipe", "to-pipe"] {
            let pipe = at("pipe");
            let reader = std::thread::spawn(move || {
                let mut text = String::new();
                File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
                text
            });
            put(&at(name), |file| file.write_all(b"through")).unwrap();
            assert_eq!(reader.join().unwrap(), "through");
        }
        let refused = replace(&at("pipe"), |file| file.write_all(b"a")).unwrap_err().to_string();
        assert!(refused.contains("a device or a pipe"), "{refused}");
        assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
        put(Path::new("/dev/null"), |file| file.write_all(b"gone")).unwrap();
        assert!(special(&fs::metadata("/dev/null").unwrap()));
        // What is open already is added to.
        fs::write(at("open"), "first, ").unwrap();
        let open = File::options().append(true).open(at("open")).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        put(Path::new(&format!("/dev/fd/{number}")), |file| file.write_all(b"second")).unwrap();
        assert_eq!(fs::read(at("open")).unwrap(), b"first, second");
    }

    #[test]
    fn a_dead_process_s_part_is_swept_and_a_living_one_s_is_not() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at(".a.gone12.part"), "half").unwrap();
        let living = File::create(at(".a.living.part")).unwrap();
        living.lock().unwrap();
        replace(&at("a"), |file| file.write_all(b"whole")).unwrap();
        assert_eq!(names(place.path()), [".a.living.part", "a"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a");
        fs::write(&path, "old").unwrap();
        let full = |file: &mut BufWriter<File>| {
            file.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        };
        let fault = replace(&path, full).unwrap_err().to_string();
        assert!(fault.contains("unharmed"), "{fault}");
        assert_eq!(names(place.path()), ["a"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_private_file_is_its_owner_s_alone() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let mode = |name: &str| at(name).metadata().unwrap().permissions().mode() & 0o777;
        File::create(at("usual")).unwrap();
        replace(&at("open"), |file| file.write_all(b"a")).unwrap();
        replace_private(&at("private"), |file| file.write_all(b"a")).unwrap();
        assert_eq!((mode("open"), mode("private")), (mode("usual"), 0o600));
        for name in ["open", "private"] {
            put(&at(name), |file| file.write_all(b"b")).unwrap();
        }
        assert_eq!((mode("open"), mode("private")), (mode("usual"), 0o600));
    }
}
