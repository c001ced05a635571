//! Weights come from whatever file holds them, and go back out as torchvision takes them.

use mtpret_engine::Error;
use mtpret_pipeline::weights::{
    self, Unexpected,
    checkpoint::{self, HostTensor, Metadata, Tensors, write},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder_with(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The message of an [`Error::Weights`], which names the file.
#[track_caller]
fn weights_fault<T: std::fmt::Debug>(
    path: &Path,
    result: mtpret_engine::Result<T>,
    parts: &[&str],
) {
    let fault = result.unwrap_err();
    assert!(matches!(fault, Error::Weights(_)), "{fault:?}");
    let message = fault.to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn fixture(name: &str) -> PathBuf {
    crate::films::root().join("tests/fixtures/weights").join(name)
}

/// 0, 1/8, 2/8, …, as `tools/parity/weight_fixtures.py` fills its tensors.
fn ramp(count: usize) -> Vec<f32> {
    (0..count).map(|i| i as f32 / 8.0).collect()
}

#[test]
fn the_query_encoder_comes_out_of_a_moco_checkpoint() {
    let tensors = weights::load(&fixture("moco.pth")).unwrap();
    let names: Vec<_> = tensors.keys().map(String::as_str).collect();
    let norm = ["bias", "num_batches_tracked", "running_mean", "running_var", "weight"];
    let mut expected: Vec<_> = norm.iter().map(|part| format!("bn1.{part}")).collect();
    expected.push("conv1.weight".into());
    assert_eq!(names, expected);
    assert_eq!(tensors["conv1.weight"], HostTensor::f32([2, 1, 3, 3], ramp(18)));
    assert_eq!(tensors["bn1.num_batches_tracked"], HostTensor::i64([], vec![7]));
}

#[test]
fn a_legacy_file_gives_f32_from_every_float_and_gathers_views() {
    let tensors = weights::load(&fixture("legacy.pth")).unwrap();
    assert_eq!(tensors["conv1.weight"], HostTensor::f32([2, 1, 3, 3], ramp(18)));
    assert_eq!(tensors["fc.bias"], HostTensor::f32([2], ramp(2)));
    assert_eq!(tensors["bn1.weight"], HostTensor::f32([2], ramp(2)));
    let transposed = vec![0.0, 0.25, 0.5, 0.125, 0.375, 0.625];
    assert_eq!(tensors["fc.weight"], HostTensor::f32([2, 3], transposed));
    assert_eq!(tensors["bn1.num_batches_tracked"], HostTensor::i64([], vec![7]));
}

#[test]
fn half_and_double_of_a_safetensors_file_become_f32() {
    use safetensors::{Dtype, serialize, tensor::TensorView};
    let half: Vec<u8> =
        [0.0, 0.5].map(half::f16::from_f32).iter().flat_map(|x| x.to_le_bytes()).collect();
    let brain: Vec<u8> =
        [0.0, 0.5].map(half::bf16::from_f32).iter().flat_map(|x| x.to_le_bytes()).collect();
    let double: Vec<u8> = [0.0f64, 0.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let views = [("h", Dtype::F16, &half), ("b", Dtype::BF16, &brain), ("d", Dtype::F64, &double)]
        .map(|(name, dtype, bytes)| (name, TensorView::new(dtype, vec![2], bytes).unwrap()));
    let (_folder, path) = folder_with(&serialize(views, None).unwrap());
    let tensors = weights::load(&path).unwrap();
    assert_eq!(tensors.len(), 3);
    assert!(tensors.values().all(|tensor| *tensor == HostTensor::f32([2], vec![0.0, 0.5])));

    let complex = TensorView::new(Dtype::C64, vec![1], &[0; 8]).unwrap();
    let (_folder, path) = folder_with(&serialize([("z", complex)], None).unwrap());
    weights_fault(&path, weights::load(&path), &[": z:", "C64"]);
}

#[test]
fn a_pickle_that_asks_for_a_command_runs_nothing() {
    for name in ["malicious.pth", "malicious_legacy.pth"] {
        // Refused or read without the object, as the reader sees fit: nothing is run.
        if let Ok(tensors) = weights::load(&fixture(name)) {
            assert_eq!(tensors.keys().collect::<Vec<_>>(), ["conv1.weight"]);
        }
        let marks = [Path::new("mtpret_was_here").to_path_buf(), fixture("mtpret_was_here")];
        assert!(!marks.iter().any(|mark| mark.exists()), "{name} ran its command");
    }
}

#[test]
fn a_pth_cut_anywhere_is_an_error() {
    for name in ["moco.pth", "legacy.pth"] {
        let bytes = fs::read(fixture(name)).unwrap();
        for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            let (_folder, path) = folder_with(&bytes[..length]);
            let path = path.with_extension("pth");
            fs::write(&path, &bytes[..length]).unwrap();
            weights_fault(&path, weights::load(&path), &[]);
        }
    }
}

#[test]
fn a_file_that_holds_no_weights_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.pth");
    fs::write(&path, "these are not weights").unwrap();
    weights_fault(&path, weights::load(&path), &["weights saved by PyTorch"]);
    // A state dict of NumPy's arrays as protocol 5 of pickle writes it, as far as the first of them.
    let path = folder.path().join("arrays.pkl");
    let array = [
        &b"\x80\x05}\x94(\x8c\x0cconv1.weight\x94\x8c\x13numpy._core.numeric\x94"[..],
        b"\x8c\x0b_frombuffer\x94\x93\x94(.",
    ];
    fs::write(&path, array.concat()).unwrap();
    weights_fault(&path, weights::load(&path), &["found NumPy arrays", "torch.from_numpy"]);
    let path = folder.path().join("empty.safetensors");
    write(&path, &Tensors::new(), &Metadata::new()).unwrap();
    weights_fault(&path, weights::load(&path), &["found no tensor"]);
    let missing = weights::load(&folder.path().join("nowhere.pth")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing:?}");
    let empty_run = weights::load(folder.path()).unwrap_err().to_string();
    assert!(empty_run.contains(checkpoint::FILE), "{empty_run}");
}

#[test]
fn a_run_folder_gives_its_finished_weights_else_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let net = |value| Tensors::from([("fc.bias".to_string(), HostTensor::f32([1], vec![value]))]);
    let mut whole: Tensors =
        net(1.0).into_iter().map(|(name, tensor)| (format!("encoder_q.{name}"), tensor)).collect();
    whole.insert("queue".into(), HostTensor::f32([1], vec![9.0]));
    write(&folder.path().join(checkpoint::FILE), &whole, &Metadata::new()).unwrap();
    assert_eq!(weights::load(folder.path()).unwrap(), net(1.0));
    weights::save(&folder.path().join(weights::FILE), net(2.0), Metadata::new()).unwrap();
    assert_eq!(weights::load(folder.path()).unwrap(), net(2.0));
}

#[test]
fn a_first_convolution_over_one_channel_fits_one_over_three() {
    let expected = [("conv1.weight".to_string(), vec![2, 3, 3, 3])];
    let file = weights::open(&fixture("moco.pth")).unwrap();
    let tensors = file.matched(&expected, Unexpected::Drop).unwrap();
    let wide = &tensors["conv1.weight"];
    assert_eq!(wide.shape, [2, 3, 3, 3]);
    let narrow = ramp(18);
    for (wide, one) in wide.as_f32().unwrap().chunks(27).zip(narrow.chunks(9)) {
        for (tap, whole) in one.iter().enumerate() {
            let sum: f32 = (0..3).map(|channel| wide[9 * channel + tap]).sum();
            assert!((sum - whole).abs() <= f32::EPSILON * whole, "{sum} of {whole}");
        }
    }
    let narrow = weights::stem::over(1, wide.clone());
    assert_eq!(narrow, HostTensor::f32([2, 1, 3, 3], ramp(18)));
    let two = [("conv1.weight".to_string(), vec![2, 2, 3, 3])];
    weights_fault(&file.path, file.matched(&two, Unexpected::Drop), &["[2, 2, 3, 3]"]);
}

#[test]
fn only_what_is_expected_is_read() {
    use safetensors::{Dtype, serialize, tensor::TensorView};
    let (float, complex) = (1.0f32.to_le_bytes(), [0; 8]);
    let views = [("fc.bias", Dtype::F32, &float[..]), ("z", Dtype::C64, &complex)]
        .map(|(name, dtype, bytes)| (name, TensorView::new(dtype, vec![1], bytes).unwrap()));
    let (_folder, path) = folder_with(&serialize(views, None).unwrap());
    let file = weights::open(&path).unwrap();
    let bias = ("fc.bias".to_string(), vec![1]);
    let tensors = file.matched(std::slice::from_ref(&bias), Unexpected::Drop).unwrap();
    assert_eq!(tensors, Tensors::from([("fc.bias".to_string(), HostTensor::f32([1], vec![1.0]))]));
    let both = [bias, ("z".to_string(), vec![1])];
    weights_fault(&path, file.matched(&both, Unexpected::Drop), &[": z:", "expected floats"]);
}

#[test]
fn a_header_that_names_a_tensor_twice_is_refused() {
    let one = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let two = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#;
    let header = format!("{{{one},{two}}}");
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 8]].concat();
    let (_folder, path) = folder_with(&bytes);
    weights_fault(&path, weights::load(&path), &["header"]);
}

#[test]
fn a_pth_that_asks_for_more_than_it_holds_is_refused_before_memory_is_taken() {
    let path = fixture("expanded.pth");
    weights_fault(&path, weights::load(&path), &["than a file of", "4294967296 bytes"]);
}

#[test]
fn a_pth_of_ours_holds_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.pth");
    fs::write(&path, "what was there before").unwrap();
    let tensors = Tensors::from([
        ("a.weight".to_string(), HostTensor::f32([2, 3, 1, 2], ramp(12))),
        ("fc.bias".to_string(), HostTensor::f32([300], ramp(300))),
        ("größe".to_string(), HostTensor::i64([], vec![-7])),
        (
            "mask".to_string(),
            HostTensor { shape: vec![2], data: checkpoint::Elements::U8(vec![0, 255]) },
        ),
        ("none".to_string(), HostTensor::f32([0, 4], vec![])),
        ("norm.running_mean".to_string(), HostTensor::f32([1], vec![0.5])),
    ]);
    weights::save_pytorch(&path, tensors.clone()).unwrap();
    let mut read = weights::load(&path).unwrap();
    let counter = read.remove("norm.num_batches_tracked");
    assert_eq!(counter, Some(HostTensor::i64([], vec![0])), "a counter is put beside a mean");
    assert_eq!(read, tensors);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let again = fs::read(&path).unwrap();
    weights::save_pytorch(&path, tensors).unwrap();
    assert!(fs::read(&path).unwrap() == again, "the same tensors give the same bytes");
}

fn network() -> Vec<(String, Vec<usize>)> {
    let parts: [(&str, &[usize]); 6] = [
        ("conv1.weight", &[2, 1, 3, 3]),
        ("bn1.weight", &[2]),
        ("bn1.bias", &[2]),
        ("bn1.running_mean", &[2]),
        ("bn1.running_var", &[2]),
        ("bn1.num_batches_tracked", &[]),
    ];
    parts.map(|(name, shape)| (name.to_string(), shape.to_vec())).into()
}

#[test]
fn weights_fit_the_network_or_the_first_misfit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.safetensors");
    let fit = |change: fn(&mut Tensors), unexpected| {
        let mut tensors = weights::load(&fixture("moco.pth")).unwrap();
        change(&mut tensors);
        write(&path, &tensors, &Metadata::new()).unwrap();
        weights::open(&path).unwrap().matched(&network(), unexpected)
    };
    let strict = Unexpected::Refuse;
    assert_eq!(fit(|_| {}, strict).unwrap().len(), 6);
    let old = fit(|tensors| drop(tensors.remove("bn1.num_batches_tracked")), strict).unwrap();
    assert_eq!(old.len(), 5);
    let missing = fit(|tensors| drop(tensors.remove("bn1.bias")), strict);
    weights_fault(&path, missing, &[": bn1.bias:", "[2]", "found none", "nearest tensor"]);
    let shrink = |tensors: &mut Tensors| {
        tensors.insert("conv1.weight".into(), HostTensor::f32([1], vec![0.0]));
    };
    weights_fault(&path, fit(shrink, strict), &[": conv1.weight:", "[2, 1, 3, 3]", "found [1]"]);
    let integers = |tensors: &mut Tensors| {
        tensors.insert("bn1.weight".into(), HostTensor::i64([2], vec![0, 1]));
    };
    weights_fault(&path, fit(integers, strict), &[": bn1.weight:", "expected floats"]);
    let extend = |tensors: &mut Tensors| {
        tensors.insert("fc.weight".into(), HostTensor::f32([1], vec![0.0]));
    };
    weights_fault(&path, fit(extend, strict), &[": fc.weight:", "expected no tensor"]);
    assert_eq!(fit(extend, Unexpected::Drop).unwrap().len(), 6);
    let huge = |tensors: &mut Tensors| {
        tensors.insert("bn1.weight".into(), HostTensor::f32([2], vec![1.0, -1e30]));
    };
    let told = [": bn1.weight:", "numbers whose squares f32 can hold", "found 1e30"];
    weights_fault(&path, fit(huge, strict), &told);
    let negative = |tensors: &mut Tensors| {
        tensors.insert("bn1.running_var".into(), HostTensor::f32([2], vec![1.0, -0.5]));
    };
    let told = [": bn1.running_var:", "expected variances, 0 or more", "found -0.5"];
    weights_fault(&path, fit(negative, strict), &told);
    let rename = |tensors: &mut Tensors| {
        let bias = tensors.remove("bn1.bias").unwrap();
        tensors.insert("bn1.bais".into(), bias);
    };
    weights_fault(&path, fit(rename, Unexpected::Drop), &[": bn1.bias:", "file is bn1.bais"]);
    let nest = |tensors: &mut Tensors| {
        let inner = std::mem::take(tensors).into_iter();
        *tensors = inner.map(|(name, tensor)| (format!("backbone.{name}"), tensor)).collect();
        tensors.insert("head.weight".into(), HostTensor::f32([1], vec![0.0]));
    };
    assert_eq!(fit(nest, strict).unwrap().len(), 6);
}

#[test]
fn saved_weights_have_the_counters_that_torchvision_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet.safetensors");
    let mut tensors = weights::load(&fixture("moco.pth")).unwrap();
    weights::save(&path, tensors.clone(), Metadata::new()).unwrap();
    assert_eq!(weights::load(&path).unwrap(), tensors, "a counter that is there stays");
    tensors.remove("bn1.num_batches_tracked");
    weights::save(&path, tensors, Metadata::new()).unwrap();
    let saved = weights::load(&path).unwrap();
    assert_eq!(saved["bn1.num_batches_tracked"], HostTensor::i64([], vec![0]));
    assert_eq!(saved.len(), 6);
}
