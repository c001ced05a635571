//! Kernels that a driver refuses: an error that names them, and another variant where there is one.

use mtpret_engine::{
    Error, autotune,
    gpu::{
        Command, DeviceOptions, Gpu, Matrices, Problem, Program, Recorder, Recording, Rewrite,
        Variant,
    },
    ops::{Op, conv2d::Conv2d, relu::Relu},
    tensor::{Array, Tensor},
};

fn device(rewrite: Rewrite) -> Gpu {
    Gpu::open(DeviceOptions { rewrite: Some(rewrite), ..DeviceOptions::default() }).unwrap()
}

/// The kernels of a convolution on this adapter.
fn convolution(gpu: &Gpu) -> Result<Vec<&'static str>, Error> {
    let x = Tensor::upload(gpu, &Array::random(&[1, 8, 8, 16], 1))?;
    let w = Tensor::upload(gpu, &Array::random(&[3, 3, 16, 16], 2))?;
    gpu.built(|| {
        let rec = Recording::new(gpu);
        let y = Conv2d::new(1, 1).forward(&rec, &x, &w, None)?;
        rec.keep(&y.data);
        let program = Program::new(rec)?;
        program.run();
        gpu.wait()?;
        let kernels = program.commands().iter().map(|command| command.name_and_flops().0);
        Ok(kernels.collect())
    })
}

#[test]
fn another_variant_stands_in_for_one_that_the_driver_refuses() {
    let whole = convolution(&device(|_, _| Ok(None))).unwrap();
    // The rule of an adapter without subgroups that runs on the CPU.
    if whole == ["conv2d/plain"] {
        return;
    }
    let gpu = device(|name, _| match name {
        "conv2d/plain" => Ok(None),
        _ => Err("error X3663: sync in varying flow".into()),
    });
    assert_eq!(convolution(&gpu).unwrap(), ["conv2d/plain"]);
    let notes = gpu.notes().join("\n");
    for word in ["kernel conv2d/", "X3663", &gpu.info().name, "conv2d goes on without its variant"]
    {
        assert!(notes.contains(word), "{word}: {notes}");
    }
    // What is known to be refused is not asked for again.
    assert_eq!(convolution(&gpu).unwrap(), ["conv2d/plain"]);
    assert_eq!(gpu.notes(), [""; 0]);
}

#[test]
fn a_kernel_without_another_is_an_error_that_names_it() {
    let gpu = device(|_, _| Err("error X3663".into()));
    let Err(Error::Shader { kernel, problem }) = convolution(&gpu) else { panic!("it compiles") };
    assert_eq!(kernel, "conv2d/plain");
    assert!(problem.contains(&gpu.described()) && problem.contains("X3663"), "{problem}");
}

/// WGSL that naga takes and wgpu refuses when it makes the pipeline: a binding that the layout does not have.
#[test]
fn what_is_wrong_with_a_pipeline_is_an_error_and_no_panic() {
    let gpu = device(|name, wgsl| {
        let main = wgsl.find("fn main(").ok_or(name)?;
        let body = main + wgsl[main..].find(") {").ok_or(name)? + 3;
        let stray = "@group(2) @binding(0) var<storage, read_write> stray: array<u32>;";
        let wgsl = format!("{stray}\n{} stray[0] = 1u; {}", &wgsl[..body], &wgsl[body..]);
        naga::front::wgsl::parse_str(&wgsl).map(Some).map_err(|e| e.emit_to_string(&wgsl))
    });
    let error = convolution(&gpu).unwrap_err();
    assert!(matches!(error, Error::Shader { .. }), "{error}");
}

/// The launches of a recording know their variant, so that a refusal finds it.
#[test]
fn launches_outside_an_op_with_variants_have_none_to_refuse() {
    let gpu = device(|name, _| match name.starts_with("relu") {
        true => Err("no".into()),
        false => Ok(None),
    });
    let x = Tensor::upload(&gpu, &Array::random(&[1, 8, 8, 16], 1)).unwrap();
    let w = Tensor::upload(&gpu, &Array::random(&[3, 3, 16, 16], 2)).unwrap();
    let record = || {
        let rec = Recording::new(&gpu);
        let y = Conv2d::new(1, 1).forward(&rec, &x, &w, None)?;
        let z = mtpret_engine::ops::Op::forward(&mtpret_engine::ops::relu::Relu, &rec, [&y])?;
        rec.keep(&z.0.data);
        assert!(rec.commands().iter().any(|c| matches!(c, Command::Launch(_))));
        Program::new(rec)
    };
    assert!(
        matches!(gpu.built(record), Err(Error::Shader { kernel, .. }) if kernel.starts_with("relu"))
    );
    assert_eq!(gpu.notes(), [""; 0]);
}

#[test]
fn a_lack_of_memory_is_no_verdict_on_a_kernel() {
    let gpu = super::open();
    let prepare = |gpu: &Gpu| -> Result<Recorder, Error> {
        let x = Tensor::upload(gpu, &Array::random(&[64, 64], 1))?;
        Ok(Box::new(move |rec: &Recording| {
            if rec.variant == Some(Variant::Subgroup) {
                return Err(Error::memory("adapter", "room", "none", "wait"));
            }
            Ok(Relu.forward(rec, [&x])?.0.data)
        }))
    };
    let problem = Problem {
        name: "relu: in little memory".into(),
        kernels: vec![Variant::Plain, Variant::Subgroup],
        default: Variant::Plain,
        half: false,
        prepare: Box::new(prepare),
    };
    let problems = [(problem.name.clone(), problem)].into();
    assert_eq!(autotune::measure(&gpu, &problems, |_| ()).unwrap(), 1);
    let tuned = gpu.tuned("relu: in little memory").unwrap();
    assert_eq!(tuned.kernel, "plain");
    assert!(tuned.wrong.is_empty() && !tuned.ms.contains_key("subgroup"), "{tuned:?}");
    let problem = &problems["relu: in little memory"];
    assert!(!tuned.covers(problem), "the next run measures it again");
}

#[test]
fn matrices_are_taken_where_a_test_passed_under_the_driver_and_left_out_where_it_did_not() {
    let refuse: Rewrite = |name, _| match name.contains("coop") {
        true => Err("error X3663".into()),
        false => Ok(None),
    };
    let [right, wrong] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let open = |folder: &tempfile::TempDir, rewrite| {
        let (cache, matrices) =
            (Some(folder.path().into()), Matrices::ByHand { side: 16, lanes: 32 });
        Gpu::open(DeviceOptions { cache, matrices, rewrite, ..DeviceOptions::default() }).unwrap()
    };
    let found = |folder, rewrite, ask| {
        let gpu = open(folder, rewrite);
        autotune::matrices::prove(&gpu, ask).unwrap();
        (gpu.trusts_matrices(), gpu.notes().join("\n"))
    };
    assert_eq!(found(&right, None, false), (false, String::new()));
    assert_eq!(found(&right, None, true), (true, String::new()));
    // It is not asked again: a compiler that refuses is not met.
    assert_eq!(found(&right, Some(refuse), false), (true, String::new()));
    for rewrite in [Some(refuse), None] {
        let (trusted, notes) = found(&wrong, rewrite, true);
        assert!(!trusted && notes.contains("X3663") && notes.contains("left out"), "{notes}");
    }
}
