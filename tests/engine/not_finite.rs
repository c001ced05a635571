//! NaN and infinity where a step went wrong: they go on to the loss, which says so, and make no film's box.

use mtpret_engine::{
    gpu::Gpu,
    ops::{Op, clip_boxes::ClipBoxes, max_pool2d::MaxPool2d, relu::Relu},
    tensor::{Array, Tensor},
};

const NAN: f64 = f64::NAN;
const INFINITE: f64 = f64::INFINITY;

/// What `op` makes of `[1, 2, 4, 4]` numbers, each in all four channels.
fn forward(gpu: &Gpu, op: &impl Op<1>, pixels: [f64; 8]) -> Vec<f64> {
    let all = pixels.iter().flat_map(|v| [*v; 4]).collect();
    let x = Tensor::upload(gpu, &Array::new(&[1, 2, 4, 4], all)).unwrap();
    let (y, program) = gpu
        .eager(|rec| {
            let (y, _) = op.forward(rec, [&x])?;
            rec.keep(&y.data);
            Ok(y)
        })
        .unwrap();
    y.read(&program).unwrap().data.into_iter().step_by(4).collect()
}

fn same(found: &[f64], wanted: &[f64]) -> bool {
    let alike = |(f, w): (&f64, &f64)| f == w || (f.is_nan() && w.is_nan());
    found.len() == wanted.len() && found.iter().zip(wanted).all(alike)
}

#[test]
fn rectified_nan_is_nan_as_in_pytorch() {
    let x = [NAN, -NAN, INFINITE, -INFINITE, -0.0, 0.0, -3.0, 3.0];
    let y = forward(&crate::open(), &Relu, x);
    assert!(same(&y, &[NAN, NAN, INFINITE, 0.0, 0.0, 0.0, 0.0, 3.0]), "{y:?}");
}

#[test]
fn a_window_with_nan_has_nan_as_its_maximum_as_in_pytorch() {
    let pool = MaxPool2d { kernel: [2, 2], stride: [1, 1], padding: [0, 0] };
    let y = forward(&crate::open(), &pool, [1.0, 2.0, NAN, 4.0, 5.0, 6.0, 7.0, INFINITE]);
    assert!(same(&y, &[6.0, NAN, NAN]), "{y:?}");
    let first = forward(&crate::open(), &pool, [NAN, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    assert!(same(&first, &[NAN, 7.0, 8.0]), "{first:?}");
}

#[test]
fn a_box_that_is_not_finite_is_no_candidate() {
    let gpu = crate::open();
    let boxes = [
        [1.0, 1.0, 5.0, 5.0],
        [NAN, 1.0, 5.0, 5.0],
        [1.0, 1.0, INFINITE, 5.0],
        [0.0, 0.0, 9.0, 9.0],
    ];
    let corners = Array::new(&[1, 4, 4], boxes.concat());
    let scores = Array::new(&[1, 4], vec![0.9, 0.8, 0.7, 0.6]);
    let extents = Array::new(&[1, 2], vec![8.0, 8.0]);
    let [corners, scores, extents] =
        [corners, scores, extents].map(|array| Tensor::upload(&gpu, &array).unwrap());
    let op = ClipBoxes { least_score: 0.1, least_side: 1.0 };
    let ([found, kept], program) = gpu
        .eager(|rec| {
            let out = op.forward(rec, &corners, &scores, Some(&extents))?;
            out.iter().for_each(|tensor| rec.keep(&tensor.data));
            Ok(out)
        })
        .unwrap();
    let (found, kept) = (found.read(&program).unwrap().data, kept.read(&program).unwrap().data);
    let expected = [[1.0, 1.0, 5.0, 5.0], [0.0; 4], [0.0; 4], [0.0, 0.0, 8.0, 8.0]].concat();
    assert_eq!(found, expected);
    assert!(
        kept[0] > 0.8 && kept[3] > 0.5 && kept[1..3].iter().all(|score| *score < -1e38),
        "{kept:?}"
    );
}
