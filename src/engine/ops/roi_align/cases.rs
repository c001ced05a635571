//! Cases of RoIAlign: shapes and values that its kernels are held to.

use super::RoiAlign;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
        external::nchw,
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op roi_align`: rois `[R, 5]` of (image, x1, y1, x2, y2).
pub const SIGNATURE: Signature = Signature {
    inputs: &["x", "rois", "dy?"],
    attributes: &[
        ("output_size", "[p, q]"),
        ("spatial_scale", "1"),
        ("sampling_ratio", "0"),
        ("aligned", "false"),
    ],
    variants: &[Variant::Plain],
};

/// Draws rois on an image of this many pixels, some reaching out of it, the first one empty; and
/// levels from −1 up to one too many.
fn regions(rois: &mut Array, levels: &mut Array, extent: f64, maps: usize, random: &mut Philox) {
    for (i, roi) in rois.data.chunks_mut(4).enumerate() {
        for a in 0..2 {
            let side = if i == 0 { 0.0 } else { random.uniform() * 0.6 };
            let begin = random.uniform() * 1.1 - 0.1;
            [roi[a], roi[2 + a]] = [begin * extent, (begin + side) * extent];
        }
    }
    // The first roi has a level, so that a gradient is there to compare.
    for (i, level) in levels.data.iter_mut().enumerate() {
        *level = if i < 2 { 0.0 } else { random.below(maps + 2) as f64 - 1.0 };
    }
}

/// Draws rois for one map of an image of 40 pixels.
fn single(x: &mut [Array; 3], random: &mut Philox) {
    let [_, rois, levels] = x;
    regions(rois, levels, 40.0, 1, random);
}

/// Draws rois for three maps of an image of 64 pixels.
fn pyramid(x: &mut [Array; 5], random: &mut Philox) {
    let [.., rois, levels] = x;
    regions(rois, levels, 64.0, 3, random);
}

fn case(why: &str, op: RoiAlign, map: [usize; 4], rois: usize) -> Case {
    let shapes = [map.to_vec(), vec![map[0], rois, 4], vec![map[0], rois]];
    let setup = Setup { inputs: single, differentiable: [true, false, false], ..Setup::default() };
    Case::new(why, op, shapes, setup)
}

/// A case of RoIAlign on a pyramid of three maps.
fn levels(why: &str, rois: usize) -> Case {
    let op = RoiAlign {
        output: [7, 7],
        scales: vec![0.25, 0.125, 0.0625],
        sampling_ratio: 2,
        aligned: false,
    };
    let map = |size: usize| vec![2, size, size, 8];
    let shapes = [map(16), map(8), map(4), vec![2, rois, 4], vec![2, rois]];
    let differentiable = [true, true, true, false, false];
    Case::new(why, op, shapes, Setup { inputs: pyramid, differentiable, ..Setup::default() })
}

/// The problems that roi_align must solve.
pub fn cases() -> Vec<Case> {
    let op = |output, scale, sampling_ratio, aligned| RoiAlign {
        output,
        scales: vec![scale],
        sampling_ratio,
        aligned,
    };
    vec![
        case("one pixel", op([1, 1], 0.25, 2, false), [1, 1, 1, 1], 1),
        case("torchvision's detector", op([7, 7], 0.25, 2, false), [2, 10, 11, 6], 9),
        case("aligned", op([7, 7], 0.25, 2, true), [2, 10, 9, 5], 9),
        case("as many samples as pixels", op([3, 2], 0.5, 0, true), [1, 21, 19, 4], 13),
        case(
            "as many samples as pixels, not aligned",
            op([2, 5], 0.5, 0, false),
            [1, 20, 20, 3],
            7,
        ),
        case("more channels than a workgroup has", op([2, 2], 0.25, 1, false), [1, 10, 10, 70], 3),
        case("more rois than are asked at once", op([1, 1], 0.25, 1, false), [1, 10, 10, 4], 2100),
        levels("a pyramid, rois without a level", 15),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let op = RoiAlign {
        output: [1 + random.below(7), 1 + random.below(7)],
        scales: vec![[1.0, 0.5, 0.25][random.below(3)]],
        sampling_ratio: random.below(4),
        aligned: random.below(2) == 0,
    };
    if random.below(8) == 0 {
        return levels("random", size(random, 20));
    }
    let map = [size(random, 3), size(random, 24), size(random, 24), size(random, 9)];
    case("random", op, map, size(random, 17))
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let (x, rois) = (external.image("x")?, external.ranked("rois", 2)?);
    let output: Option<[usize; 2]> = external.attribute("output_size", None)?;
    let Some(output) = output.filter(|pair| pair.iter().all(|bins| *bins > 0)) else {
        let found = output.map_or("none".into(), |pair| format!("{pair:?}"));
        let expected = "an attribute `output_size`, two numbers of at least 1";
        return Err(external.refused(expected, found));
    };
    let ratio: i64 = external.attribute("sampling_ratio", 0)?;
    let op = RoiAlign {
        output,
        scales: vec![external.attribute("spatial_scale", 1.0)?],
        sampling_ratio: usize::try_from(ratio).unwrap_or(0),
        aligned: external.attribute("aligned", false)?,
    };
    let images = x.shape[0];
    let known = |image: f64| image >= 0.0 && image < images as f64 && image.fract() == 0.0;
    if rois.shape[1] != 5 || !rois.data.chunks(5).all(|roi| known(roi[0])) {
        let expected = format!("rois [R, 5] of {images} images");
        return Err(external.refused(expected, format!("{:?}", rois.shape)));
    }
    // Every image gets as many places as there are rois; each roi lies in its own image's.
    let count = rois.shape[0];
    let mut boxes = Array::zeros(&[images, count, 4]);
    let mut levels = Array::new(&[images, count], vec![-1.0; images * count]);
    let place = |r: usize| rois.data[5 * r] as usize * count + r;
    for (r, roi) in rois.data.chunks(5).enumerate() {
        boxes.data[4 * place(r)..][..4].copy_from_slice(&roi[1..]);
        levels.data[place(r)] = 0.0;
    }
    let of_roi = [output[0], output[1], x.shape[3]];
    let values = of_roi.iter().product::<usize>();
    let dy = external.image_dy()?;
    if let Some(dy) = &dy
        && dy.shape != [count, of_roi[0], of_roi[1], of_roi[2]]
    {
        let expected = format!("dy like y, of {count} rois");
        return Err(external.refused(expected, format!("{:?}", dy.shape)));
    }
    let dy = dy.map(|dy| {
        let mut all = Array::zeros(&[images * count, of_roi[0], of_roi[1], of_roi[2]]);
        for (r, v) in dy.data.chunks(values).enumerate() {
            all.data[values * place(r)..][..values].copy_from_slice(v);
        }
        all
    });
    let inputs = [&x, &boxes, &levels];
    let (all, [dx, ..]) = external.apply(&op, inputs, dy.as_ref(), [true, false, false])?;
    let y = (0..count).flat_map(|r| &all.data[values * place(r)..][..values]).copied().collect();
    let y = Array::new(&[count, of_roi[0], of_roi[1], of_roi[2]], y);
    let mut out = vec![("y".to_owned(), nchw(&y))];
    out.extend(dx.map(|dx| ("dx".to_owned(), nchw(&dx))));
    Ok(out)
}
