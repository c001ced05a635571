//! What the program itself writes and reads again: divisions, packs, bundles, what tuning measured.

use super::formats::{Format, Outcome, Reader, binary, saved_with, text};
use image::{GrayImage, Luma};
use mtpret_engine::{autotune::cache, gpu::Tuning};
use mtpret_pipeline::{
    data::{
        Fit, Format as Layout, Loader, LoaderOptions, PackedPart, Sample, Source, Split,
        division_table, pack,
    },
    export::bundle,
    train::config,
};
use std::{fs, path::Path};
use tempfile::TempDir;

/// Films of two classes.
fn films() -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/0.png", "a/1.png", "b/2.png", "b/3.png"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let grey = |x: u32, y: u32| Luma([(x * 7 + y * 13) as u8 ^ name.as_bytes()[2]]);
        GrayImage::from_fn(40, 20, grey).save(path).unwrap();
    }
    let source =
        Source { split: Split::Patient, ..Source::new("set", Layout::Folder, folder.path()) };
    (folder, source)
}

/// A file of this name that holds the input, given to `read`.
fn file(name: &'static str, read: impl Fn(&Path) -> bool + 'static) -> Reader {
    let folder = tempfile::tempdir().unwrap();
    Box::new(move |bytes| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        match read(&path) {
            true => Outcome::Read { pixels: 0 },
            false => Outcome::Refused,
        }
    })
}

fn division() -> Format {
    let (folder, source) = films();
    let whole = division_table(&source.read().unwrap(), folder.path()).unwrap();
    let read = file("splits.csv", move |path| {
        let _keep = &folder;
        Source { splits: Some(path.into()), ..source.clone() }.read().is_ok()
    });
    text("splits", &[&whole], read)
}

fn packed() -> Format {
    let (folder, source) = films();
    let samples: Vec<Sample> = source.read().unwrap().train;
    let to = folder.path().join("films.pack");
    let part = PackedPart { samples: samples.clone(), fit: Fit::Stretch, input: [24, 24] };
    pack(&to, &[part], |_, _| {}).unwrap();
    let whole = fs::read(&to).unwrap();
    let read = file("films.pack", move |path| {
        let _keep = &folder;
        let options = LoaderOptions {
            width: 24,
            height: 24,
            fit: Fit::Stretch,
            batch: 2,
            seed: 3,
            shuffle: false,
            drop_last: false,
            threads: 1,
            cache_bytes: 0,
            pack: Some(path.into()),
            prefetch: 1,
            max_bad: 9,
            start: 0,
        };
        let loader = Loader::new(samples.clone(), options);
        loader.and_then(|mut loader| loader.next_batch()).is_ok()
    });
    binary("pack", vec![whole], read)
}

fn bundled() -> Format {
    let config = config::builtin("finetune/resnet18").unwrap();
    let part = |name: &str| format!("\"{name}\":{{\"films\":1,\"blake3\":\"0\"}}");
    let parts = format!("{{{},{},{}}}", part("train"), part("val"), part("test"));
    let words = [
        ("bundle", "1"),
        ("kind", "classes"),
        ("labels", "[\"a\",\"b\"]"),
        ("config", config),
        ("metrics", "{}"),
        ("data", &parts),
    ];
    let words = words.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let whole = saved_with("mtpret", words.into());
    let read = file("network.mtpret", |path| {
        bundle::config(path, &[]).is_ok() && bundle::parts(path).is_ok()
    });
    binary("bundle", vec![whole], read)
}

fn tuned() -> Format {
    let tuning = Tuning {
        adapter: "llvmpipe".into(),
        driver: "Mesa".into(),
        kernels: cache::kernels(),
        ..Tuning::default()
    };
    let sealed = serde_json::to_string_pretty(&tuning.sealed()).unwrap();
    let shipped = fs::read_to_string(crate::films::root().join("configs/tuning/llvmpipe.json"));
    text(
        "tuning",
        &[&sealed, &shipped.unwrap()],
        file("tuning.json", |path| cache::read(path).is_ok()),
    )
}

pub fn all() -> Vec<Format> {
    vec![division(), packed(), bundled(), tuned()]
}
