//! Faults that happen in practice, and what is said about them.

use crate::commands::{Place, Running, is_whole, refused, succeeded};
use safetensors::{Dtype, tensor::TensorView};
use std::fs;

/// Writes tensors of zeros.
fn zeros(place: &Place, name: &str, tensors: &[(&str, Vec<usize>)]) {
    let bytes: Vec<_> =
        tensors.iter().map(|(_, s)| vec![0u8; 4 * s.iter().product::<usize>()]).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape), bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &place.path(name)).unwrap();
}

#[test]
fn a_missing_folder_is_named() {
    let place = Place::new();
    let root = place.path("nowhere");
    let root = format!("source.pneumonia.root={}", root.display());
    let command = place.stage("finetune", "run", &[&root]);
    refused(
        command,
        1,
        &["nowhere: expected the folder of data set pneumonia, found none; correct root"],
    );
}

#[test]
fn an_empty_class_is_named() {
    let place = Place::new();
    fs::create_dir(place.path("films/empty")).unwrap();
    let command = place.stage("pretrain", "run", &[]);
    refused(command, 1, &["films/empty: expected films of this class", "found none; add films"]);
}

#[test]
fn a_part_without_films_is_refused_before_training() {
    let place = Place::new();
    for (stage, part) in [("finetune", "test"), ("finetune", "val"), ("pretrain", "val")] {
        let share = format!("source.pneumonia.{part}_share=0.0");
        let line = refused(place.stage(stage, "run", &[&share]), 1, &["data set pneumonia"]);
        let problem = format!("expected films in the part {part}, found none");
        assert!(line.contains(&problem) && line.contains("; raise "), "{line}");
    }
}

#[test]
fn unreadable_films_are_listed_and_left_out_up_to_max_bad() {
    let place = Place::new();
    let whole = place.read("films/dark/d1.png");
    fs::write(place.path("films/dark/d1.png"), &whole[..whole.len() / 2]).unwrap();
    for film in 2..6 {
        fs::write(place.path(&format!("films/light/l{film}.png")), "no film").unwrap();
    }
    let mut command = place.stage("finetune", "run", &[]);
    command.args(["--max-bad", "5"]);
    assert!(succeeded(command).err.contains("bad_films.txt"));
    let listed = place.text("run/bad_films.txt");
    let films: Vec<_> = listed.lines().collect();
    // Films of every part are there, each once.
    assert_eq!(films.len(), 5, "{listed}");
    let cut = films.iter().find(|l| l.contains("films/dark/d1.png: ")).unwrap();
    assert!(cut.contains("expected a whole image"), "{cut}");
    assert!(films.iter().filter(|l| l.contains("expected JPEG, PNG")).count() == 4, "{listed}");

    let mut command = place.stage("finetune", "strict", &[]);
    command.args(["--max-bad", "0"]);
    refused(command, 1, &["expected at most 0 bad films, found", "films/", "`max_bad`"]);
    assert!(!place.path("strict/weights.safetensors").exists());
}

#[test]
fn weights_that_lack_a_tensor_or_have_another_shape_are_named_with_it() {
    let place = Place::new();
    zeros(&place, "few.safetensors", &[("conv1.weight", vec![64, 3, 7, 7])]);
    zeros(&place, "two.safetensors", &[("conv1.weight", vec![64, 2, 7, 7])]);
    fs::write(place.path("text.safetensors"), "no weights").unwrap();
    let start = |file: &str| {
        let mut command = place.stage("finetune", "run", &[]);
        command.args(["--weights", file]);
        command
    };
    let words = ["few.safetensors: ", "expected a tensor of shape", "found none", "nearest tensor"];
    refused(start("few.safetensors"), 1, &words);
    let words = ["two.safetensors: conv1.weight", "[64, 3, 7, 7]", "found [64, 2, 7, 7]; use"];
    refused(start("two.safetensors"), 1, &words);
    refused(start("text.safetensors"), 1, &["text.safetensors: expected", "found", "; "]);
    refused(start("none.safetensors"), 1, &["none.safetensors: No such file", "; name a "]);
}

#[test]
fn a_patient_in_two_parts_is_named_with_both_lines() {
    let place = Place::new();
    let mut table = "path,label,patient,split\n".to_owned();
    for (part, film) in ["train", "train", "val", "test"].into_iter().zip(0..) {
        table += &format!("dark/d{film}.png,dark,p{film},{part}\n");
        table += &format!("light/l{film}.png,light,p{},{part}\n", film % 3 + 10);
    }
    fs::write(place.path("films/table.csv"), table).unwrap();
    let source = format!(
        "source=[{{name=\"pneumonia\",format=\"csv\",root={:?},table=\"table.csv\",\
         label_columns=[\"label\"],patient_column=\"patient\",split_column=\"split\"}}]",
        place.path("films")
    );
    let words = [
        "table.csv:9: expected patient p10 in one part, found it in test here and in train at",
        "table.csv:3; set split",
    ];
    refused(place.stage("finetune", "run", &[&source]), 1, &words);
}

#[test]
fn a_queue_that_is_no_multiple_of_the_batch_is_refused() {
    let place = Place::new();
    let command = place.stage("pretrain", "run", &["moco.queue=10"]);
    refused(command, 1, &["moco.queue", "expected a multiple of data.batch = 4, found 10; use 12"]);
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_the_last_good_checkpoint_stays() {
    let place = Place::new();
    // Predictions of such weights would be refused too, before a loss shows them.
    let settings = ["rounds=9", "validate=never"];
    let mut good = Running::new(place.stage("multitask", "run", &settings));
    good.until("/72 ");
    assert_eq!(good.stop("INT").0, Some(130));
    let bytes = place.read("run/checkpoint.safetensors");
    let hot = |more: &[&str]| {
        let mut command = place.resume("multitask", "run");
        command.arg("--accept-changes");
        let heat = ["optim.lr=100", "optim.momentum=0.99", "l2sp.alpha=0", "l2sp.beta=100"];
        heat.iter().chain(more).for_each(|s| {
            command.args(["--set", s]);
        });
        command
    };
    let words =
        ["expected a finite loss, found", "films/", "the last good checkpoint is", "a tenth"];
    let line = refused(hot(&[]), 1, &words);
    assert!(line.starts_with("mtpret: step "), "{line}");
    assert!(bytes == place.read("run/checkpoint.safetensors"));
    // A run that saves each step may see it in the weights, a step before the loss shows it.
    let words = ["mtpret: step ", "expected", "finite", "found", "the last good checkpoint is"];
    refused(hot(&["log.save_every=1"]), 1, &words);
    let bytes = place.read("run/checkpoint.safetensors");
    for (name, tensor) in safetensors::SafeTensors::deserialize(&bytes).unwrap().tensors() {
        let numbers =
            tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        assert!(numbers.into_iter().all(f32::is_finite), "{name} is not finite");
    }
    assert!(!place.path("run/weights.safetensors").exists());
}

#[test]
fn no_adapter_and_an_unknown_adapter_are_said_plainly() {
    let place = Place::new();
    let mut command = place.stage("finetune", "run", &[]);
    for key in ["VK_ICD_FILENAMES", "VK_DRIVER_FILES"] {
        command.env(key, "/nonexistent");
    }
    if cfg!(target_os = "linux") {
        refused(
            command,
            1,
            &[
                "adapter: expected a Vulkan, Metal or DX12 adapter, found that none answers; install",
            ],
        );
    }
    for unknown in ["nosuch", "99"] {
        let mut command = place.stage("finetune", "run", &[]);
        command.args(["--adapter", unknown]);
        let quoted = format!("found `{unknown}`; pass its number");
        refused(command, 1, &[&quoted, "pass its number\n--adapter N|NAME", "mtpret doctor"]);
    }
}

#[test]
fn a_batch_beyond_the_adapter_is_cut_and_it_is_said() {
    let gpu = mtpret_engine::gpu::Gpu::open(Default::default()).unwrap();
    let limit = gpu.caps().limits.max_storage_buffer_binding_size;
    drop(gpu);
    if limit != 128 << 20 {
        eprintln!("skipped: the adapter binds {} MiB at once, the test is for 128", limit >> 20);
        return;
    }
    let place = Place::new();
    // After the first convolution a film takes 16 MiB; evaluation has to be cut too.
    let wide = ["data.width=8192", "data.batch=14"];
    let mut running = Running::new(place.stage("finetune", "run", &wide));
    // The first step would take long: it is enough that it would begin.
    let note = running.until("micro-batches");
    running.stop("KILL");
    let said = "the memory it may take or what this adapter binds at once; it is cut into 2";
    assert!(note.contains(said), "{note}");
    // A single film of 4096 x 2048 needs 512 MiB.
    let large = ["data.width=4096", "data.height=2048"];
    let words = [
        "adapter: expected at most 128 MiB in one binding, found 512 MiB for",
        "; make the batch or the image smaller\n--memory MIB",
        "--set data.batch=N",
    ];
    refused(place.stage("finetune", "large", &large), 1, &words);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_the_old_checkpoint() {
    let place = Place::new();
    let mut first = Running::new(place.stage("multitask", "run", &["rounds=9"]));
    first.until("/72 ");
    assert_eq!(first.stop("INT").0, Some(130));
    let mut command = place.resume("multitask", "run");
    command.args(["--accept-changes", "--set", "log.save_every=1"]);
    let mut running = Running::new(command);
    running.until("/72 ");
    // As if the disk were full: no file may become as large as a checkpoint.
    running.limit_files();
    let (code, rest) = running.end();
    assert_eq!(code, Some(1), "{rest}");
    assert!(rest.contains("run/checkpoint.safetensors: File too large"), "{rest}");
    assert!(rest.contains("; free space there"), "{rest}");
    assert!(is_whole(&place.path("run/checkpoint.safetensors")));
    let names = fs::read_dir(place.path("run")).unwrap().map(|entry| entry.unwrap().file_name());
    let left = names.filter(|name| name.to_string_lossy().ends_with(".part")).count();
    assert_eq!(left, 0, "the half-written file is left");
}
