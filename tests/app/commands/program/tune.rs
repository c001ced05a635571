//! `tune`: what it measures, keeps, gives away and refuses.

use crate::commands::{PROGRAM, Place, Running, refused, succeeded};
use mtpret_engine::{autotune::cache, gpu::Tuning};
use mtpret_pipeline::weights::checkpoint;
use std::{fs, path::Path, process::Command};

/// A tiny ResNet-18's shapes, with `folder` as the cache.
fn tune(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["tune", "--batch", "2", "--size", "32"]).args(more).env("MTPRET_CACHE", folder);
    command
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn shapes_are_measured_once_kept_and_handed_on_to_the_same_adapter_alone() {
    let place = Place::new();
    let (here, there, file) = (place.path("here"), place.path("there"), place.path("t.json"));
    let path = file.to_str().unwrap();
    let first = succeeded(tune(&here, &["--export", path]));
    // 11 distinct convolutions, all but the first with three passes, and those of the linear layer.
    assert!(first.err.contains("tuning 35/35") && !first.err.contains("WRONG"), "{}", first.err);
    assert!(first.out.contains("35 shapes measured"), "{}", first.out);
    let tuning = cache::read(&file).unwrap();
    assert_eq!(tuning.problems.len(), 35);
    for (name, tuned) in &tuning.problems {
        let best = tuned.ms[&tuned.kernel];
        assert!(tuned.ms.values().all(|ms| best <= *ms), "{name}: {tuned:?}");
        assert!(tuned.wrong.is_empty() && tuned.ms.len() >= 3, "{name}: {tuned:?}");
    }
    let again = succeeded(tune(&here, &[]));
    assert!(!again.err.contains("tuning") && again.out == first.out, "{}", again.err);

    let taken = succeeded(tune(&there, &["--import", path]));
    assert!(taken.err.contains("took 35 shapes") && !taken.err.contains("tuning"), "{}", taken.err);
    assert_eq!(taken.out.lines().count(), first.out.lines().count());
    let other = Tuning { driver: "another driver".into(), ..tuning.clone() };
    cache::write(&other, &file).unwrap();
    refused(tune(&there, &["--import", path]), 1, &["t.json", "another driver", "mtpret tune"]);
    let kept = fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|p| p.extension().is_some_and(|e| e == "json")).collect::<Vec<_>>();
    // A damaged file is dropped with a line, and measured anew; a stranger's is refused.
    let whole = fs::read(&kept[0]).unwrap();
    let at = whole.windows(4).position(|four| four == b"\"ms\"").unwrap();
    let digit = (at..whole.len()).find(|at| whole[*at].is_ascii_digit()).unwrap();
    let mut flipped = whole.clone();
    flipped[digit] ^= 1;
    fs::write(&file, &flipped).unwrap();
    refused(tune(&there, &["--import", path]), 1, &["t.json", "not what was written"]);
    let given = place.path("given.json");
    fs::write(&given, &whole).unwrap();
    for damaged in [b"{".to_vec(), b"\xff\0".to_vec(), flipped] {
        fs::write(&kept[0], damaged).unwrap();
        let anew = succeeded(tune(&here, &["--import", given.to_str().unwrap()]));
        assert!(
            anew.err.contains("is no tuning file") && anew.err.contains("dropped"),
            "{}",
            anew.err
        );
        assert_eq!(anew.out.lines().count(), first.out.lines().count());
    }
}

#[test]
fn shipped_tables_can_be_read_and_name_kernels_that_there_are() {
    let tables = fs::read_dir("configs/tuning").unwrap().map(|entry| entry.unwrap().path());
    for path in tables {
        let table = cache::read(&path).unwrap();
        assert!(!table.adapter.is_empty() && !table.problems.is_empty(), "{}", path.display());
        for (name, tuned) in table.problems {
            let known = mtpret_engine::ops::SUITES.iter().any(|suite| {
                name.starts_with(suite.name)
                    && suite.signature.variants.iter().any(|v| v.name() == tuned.kernel)
            });
            assert!(known, "{}: {name} on {}", path.display(), tuned.kernel);
        }
    }
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn a_run_is_resumed_in_the_precision_that_it_was_begun_in() {
    let place = Place::new();
    let half = |mut command: Command| {
        command.args(["--precision", "f16"]);
        command
    };
    let mut running =
        Running::new(half(place.stage("pretrain", "run", &["log.save_every=2", "epochs=2"])));
    running.until(" 4/8 ");
    running.stop("KILL");
    let words = ["loss_scale", "the precision f16", "resume it with the same"];
    refused(place.resume("pretrain", "run"), 1, &words);
    succeeded(half(place.resume("pretrain", "run")));
    let read = |run: &str| checkpoint::read(&place.path(run), None).unwrap().0;
    let scale = &read("run/checkpoint.safetensors")["loss_scale"];
    // Each step of eight is either good, or halves the scale and moves nothing.
    let [scale, good, overflow, skipped] = scale.as_f32().unwrap()[..] else {
        panic!("four words")
    };
    let [good, overflow, skipped] = [good, overflow, skipped].map(f32::to_bits);
    assert_eq!((scale, overflow), (1024.0 / 2f32.powi(skipped as i32), 0));
    assert!(good + skipped <= 8 && skipped < 8, "{good} good, {skipped} skipped");
    succeeded(half(place.stage("pretrain", "whole", &["epochs=2"])));
    assert!(place.read("run/weights.safetensors") == place.read("whole/weights.safetensors"));
}
