//! Packs: films in one file, decoded and resized, so that a run need not decode them.
//!
//! ```text
//! magic │ pixels and mask of film after film │ index: an entry a film │ entries: u64 │ digest of the index │ magic
//! ```
//!
//! An entry's key is a digest of all that its bytes were made by: the film's place, size and time of change, those of its
//! masks, outlines, the input's size and fit. So a film that has changed since has no entry, and none is taken for another.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytemuck::{Pod, Zeroable};
use mtpret_engine::file;
use rayon::prelude::*;

use super::BadFilm;
use crate::{
    Error, Result,
    data::{Annotation, Fit, FittedFilm, Pixels, Sample, film::image::Misfit, walk::stamp},
};

/// Mark that begins and ends a pack; its last byte is the number of the layout and of how films are
/// resized.
const MAGIC: &[u8; 16] = b"mtpret films \0\0\x01";
/// Number of bytes behind the index: the number of its entries, its digest, the magic.
const TAIL: u64 = 8 + 32 + 16;
/// Number of films that are decoded side by side before they are written.
const CHUNK: usize = 64;
const AGAIN: &str = "pack the films anew, or leave `data.pack` out";

/// Values of [`Entry::kind`].
const BYTES: u32 = 0;
const WORDS: u32 = 1;
const BAD: u32 = 2;

/// Place of a film in the file, and its form.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Entry {
    key: [u8; 32],
    /// Digest of the film's bytes.
    digest: [u8; 32],
    offset: u64,
    /// Number of bytes of pixels, or of words about what is wrong with the film.
    length: u64,
    /// Number of bytes of the mask behind the pixels.
    mask: u64,
    size: [u32; 2],
    extent: [u32; 2],
    kind: u32,
    blank: u32,
}

/// Films of one kind that are packed: how they come to which size.
pub struct PackedPart {
    /// The films.
    pub samples: Vec<Sample>,
    /// Way in which a film comes to the input's size.
    pub fit: Fit,
    /// Width and height of the input.
    pub input: [usize; 2],
}

/// Result of packing.
pub struct PackSummary {
    /// Number of films in the pack, a film at two sizes being two.
    pub films: usize,
    /// Packed films that cannot be read, which a run is told as if it had tried itself.
    pub bad: Vec<BadFilm>,
    /// Number of bytes of the file.
    pub bytes: u64,
}

/// Writes a pack of films as [`super::LoaderOptions::pack`] takes it, whole or not at all; `packed` is told how many
/// of how many films are in it.
///
/// # Errors
/// The file cannot be written.
pub fn pack(
    to: &Path,
    parts: &[PackedPart],
    mut packed: impl FnMut(usize, usize),
) -> Result<PackSummary> {
    let mut seen = HashSet::new();
    let all = parts.iter().flat_map(|part| part.samples.iter().map(move |sample| (part, sample)));
    let all = all.map(|(part, sample)| (key(sample, part.fit, part.input), part, sample));
    let all: Vec<_> = all.filter(|(key, ..)| seen.insert(*key)).collect();
    let (mut entries, mut bad) = (Vec::new(), Vec::new());
    let mut end = MAGIC.len() as u64;
    file::put(to, |file| {
        file.write_all(MAGIC)?;
        for chunk in all.chunks(CHUNK) {
            let read = |(key, part, sample): &([u8; 32], &PackedPart, &Sample)| {
                let film = FittedFilm::read(sample, part.fit, part.input);
                let path = &sample.path;
                (encoded(*key, &film), film.err().map(|why| (path.clone(), why.to_string())))
            };
            let films: Vec<_> = chunk.par_iter().map(read).collect();
            for ((entry, bytes), why) in films {
                file.write_all(&bytes)?;
                entries.push(Entry { offset: end, ..entry });
                end += bytes.len() as u64;
                bad.extend(why.map(|(path, why)| BadFilm { path, why }));
            }
            packed(entries.len(), all.len());
        }
        let index: &[u8] = bytemuck::cast_slice(&entries);
        file.write_all(index)?;
        file.write_all(&(entries.len() as u64).to_le_bytes())?;
        file.write_all(blake3::hash(index).as_bytes())?;
        file.write_all(MAGIC)
    })?;
    let bytes = end + size_of_val(entries.as_slice()) as u64 + TAIL;
    Ok(PackSummary { films: entries.len(), bad, bytes })
}

/// Encodes a film: its entry, without its place, and its bytes.
fn encoded(key: [u8; 32], film: &Result<FittedFilm, Misfit>) -> (Entry, Vec<u8>) {
    let side = |sides: [usize; 2]| sides.map(|side| side as u32);
    let none = Entry { key, kind: BAD, ..Entry::zeroed() };
    let (entry, bytes) = match film {
        Ok(film) => {
            let (kind, pixels) = match &film.pixels {
                Pixels::Bytes(greys) => (BYTES, greys.clone()),
                Pixels::Words(greys) => {
                    (WORDS, greys.iter().flat_map(|v| v.to_le_bytes()).collect())
                }
            };
            let [length, mask] = [&pixels, &film.mask].map(|bytes| bytes.len() as u64);
            let (size, extent) = (side(film.size), side(film.extent));
            (
                Entry { kind, length, mask, size, extent, ..none },
                [pixels, film.mask.clone()].concat(),
            )
        }
        Err(Misfit { expected, found }) => {
            let [length, mask] = [expected, found].map(|text| text.len() as u64);
            (Entry { length, mask, ..none }, [expected.as_bytes(), found.as_bytes()].concat())
        }
    };
    (Entry { digest: *blake3::hash(&bytes).as_bytes(), ..entry }, bytes)
}

/// Key of an entry: a digest of all that a film ready for a batch depends on.
fn key(sample: &Sample, fit: Fit, input: [usize; 2]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("mtpret packed film");
    let mut add = |text: String| {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    };
    let file = |path: &Path| {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.into());
        format!("{whole:?} {}", stamp(path))
    };
    add(format!("{fit:?} {input:?}"));
    add(file(&sample.path));
    match &sample.target {
        Annotation::Labels(_) => {}
        Annotation::Mask { files, values } => {
            files.iter().for_each(|mask| add(file(mask)));
            add(format!("{values:?}"));
        }
        Annotation::Polygons { size, polygons } => add(format!("{size:?} {polygons:?}")),
        Annotation::Boxes { size, .. } => add(format!("boxes {size:?}")),
    }
    *hasher.finalize().as_bytes()
}

/// The packed films of a loader's samples.
pub(super) struct PackedFilms {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
}

impl PackedFilms {
    /// Opens the packed films of all samples.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Data`] if it is no whole pack or lacks a film as it is now.
    pub(super) fn open(
        path: &Path,
        samples: &[Sample],
        fit: Fit,
        input: [usize; 2],
    ) -> Result<Self> {
        let io = |e| Error::io(path, e, AGAIN);
        let file = File::open(path).map_err(io)?;
        let Some(index) = index(&file).map_err(io)? else {
            let found = "another, or a part of one";
            return Err(Error::data(path, "a whole pack of this program's films", found, AGAIN));
        };
        let index: HashMap<[u8; 32], Entry> = index.into_iter().map(|e| (e.key, e)).collect();
        let keys: Vec<[u8; 32]> =
            samples.par_iter().map(|sample| key(sample, fit, input)).collect();
        let lacking = |(key, _): &([u8; 32], &Sample)| !index.contains_key(key);
        let mut lacking = keys.iter().copied().zip(samples).filter(lacking);
        if let Some((_, first)) = lacking.next() {
            let [width, height] = input;
            let fit = format!("{fit:?}").to_lowercase();
            let expected =
                format!("all {} films as they are now, {width}x{height} ({fit})", samples.len());
            let count = 1 + lacking.count();
            let found = format!("{count} that it lacks, such as {}", first.path.display());
            return Err(Error::data(path, expected, found, AGAIN));
        }
        let entries = keys.iter().map(|key| index[key]).collect();
        Ok(Self { path: path.into(), file, entries })
    }
    /// The film of sample `at`, of an input of so many pixels.
    pub(super) fn film(&self, at: usize, pixels: usize) -> Result<FittedFilm, Misfit> {
        let entry = &self.entries[at];
        self.decoded(entry, pixels).unwrap_or_else(|| {
            let expected = format!("the film as it was packed in {}", self.path.display());
            Err(Misfit::new(expected, "other bytes: the pack is damaged"))
        })
    }
    /// Decodes an entry; none where the file does not hold what it did.
    fn decoded(&self, entry: &Entry, pixels: usize) -> Option<Result<FittedFilm, Misfit>> {
        let most = self.file.metadata().ok()?.len();
        let length = entry.length.checked_add(entry.mask).filter(|length| *length <= most)?;
        let mut bytes = vec![0; length as usize];
        read_at(&self.file, &mut bytes, entry.offset).ok()?;
        if *blake3::hash(&bytes).as_bytes() != entry.digest {
            return None;
        }
        let rest = bytes.split_off(entry.length as usize);
        let pixels = match (entry.kind, bytes.len() / pixels.max(1)) {
            (BYTES, 1) => Pixels::Bytes(bytes),
            (WORDS, 2) => {
                let words = bytes.as_chunks::<2>().0.iter();
                Pixels::Words(words.map(|word| u16::from_le_bytes(*word)).collect())
            }
            (BAD, _) => {
                let [expected, found] = [bytes, rest].map(String::from_utf8);
                return Some(Err(Misfit::new(expected.ok()?, found.ok()?)));
            }
            _ => return None,
        };
        let [size, extent] =
            [entry.size, entry.extent].map(|sides| sides.map(|side| side as usize));
        Some(Ok(FittedFilm { pixels, mask: rest, extent, size }))
    }
}

/// Reads the index of a pack; none where the file is no whole one.
fn index(file: &File) -> io::Result<Option<Vec<Entry>>> {
    let whole = file.metadata()?.len();
    let Some(end) = whole.checked_sub(TAIL) else { return Ok(None) };
    let (mut count, mut digest, mut magic) = ([0; 8], [0; 32], [0; 16]);
    read_at(file, &mut count, end)?;
    read_at(file, &mut digest, end + 8)?;
    read_at(file, &mut magic, end + 40)?;
    let length = u64::from_le_bytes(count).checked_mul(size_of::<Entry>() as u64);
    let Some((length, begin)) = length.and_then(|length| Some((length, end.checked_sub(length)?)))
    else {
        return Ok(None);
    };
    let mut index = vec![0; length as usize];
    read_at(file, &mut index, begin)?;
    let good = magic == *MAGIC && *blake3::hash(&index).as_bytes() == digest;
    Ok(good.then(|| bytemuck::pod_collect_to_vec(&index)))
}

/// Fills `bytes` from a place in the file. Not mapped to memory: then a file that is cut short while it is read would end the
/// program in place of a message.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Fills `bytes` from a place in the file.
#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}
