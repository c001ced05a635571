//! Cases of the view of masks and boxes.

use super::{Grey, Warp};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, Report},
    tensor::{Array, Philox, Step, Tensor},
};

/// Masks and boxes from the device, as their images' view shows them: mask, corners and classes.
fn solve(
    gpu: &Gpu,
    op: Warp,
    [mask, boxes]: [&Array; 2],
    axes: [usize; 3],
    step: &Step,
) -> Result<[Array; 3]> {
    let (mask, boxes) = (Tensor::upload(gpu, mask)?, Tensor::upload(gpu, boxes)?);
    let step = step.upload(gpu)?;
    let (out, program) = gpu.eager(|rec| {
        let [corners, classes] = op.boxes(rec, &boxes, axes, &step)?;
        let out = [op.mask(rec, &mask, axes, &step)?, corners, classes];
        out.iter().for_each(|t| rec.keep(&t.data));
        Ok(out)
    })?;
    let [mask, corners, classes] = out.map(|t| t.read(&program));
    Ok([mask?, corners?, classes?])
}

fn record(op: Warp, [n, h, w]: [usize; 3], count: usize) -> impl Fn(&Recording) -> Result<()> {
    move |rec| {
        let step = Step::default().upload(&rec.gpu)?;
        op.mask(rec, &Tensor::alloc(&rec.gpu, &[n, h * w])?, [n, h, w], &step)?;
        op.boxes(rec, &Tensor::alloc(&rec.gpu, &[n, 5 * count])?, [n, h, w], &step).map(|_| ())
    }
}

/// Random boxes of classes −1 to 2, some of them smaller than a pixel.
fn marked([n, h, w]: [usize; 3], count: usize, random: &mut Philox) -> Array {
    let mut boxes = Array::zeros(&[n, 5 * count]);
    for b in boxes.data.chunks_mut(5) {
        for (a, size) in [w as f64, h as f64].into_iter().enumerate() {
            b[a] = f64::from((random.uniform() * size) as f32);
            b[2 + a] = f64::from((b[a] + random.uniform() * (size - b[a])) as f32);
        }
        b[4] = random.below(4) as f64 - 1.0;
    }
    boxes
}

/// A case whose mask is noise of zeros and ones. Where a place lies halfway between two pixels, or a
/// side is one pixel long, rounding decides, and the device's answer is taken for right.
pub fn case(why: &str, axes: [usize; 3], count: usize, op: Warp) -> Case {
    let [n, h, w] = axes;
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mask = Array::random(&[n, h * w], seed).map(|v| f64::from(v > 0.0));
        let boxes = marked(axes, count, &mut Philox::new(seed, 1));
        let step = Step { step: 3, seed_low: seed as u32, stage: 1, ..Step::default() };
        let [got, corners, classes] = solve(gpu, op, [&mask, &boxes], axes, &step)?;
        let [mut want, margin] = op.mask_reference(&mask, axes, &step);
        for (i, want) in want.data.iter_mut().enumerate().filter(|(i, _)| margin.data[*i] < 1e-4) {
            *want = got.data[i];
        }
        let mut want_corners = op.boxes_reference(&boxes, axes, &step);
        let mut want_classes = Array::zeros(&[n, count]);
        for (i, hull) in want_corners.data.chunks_mut(4).enumerate() {
            let side = (hull[2] - hull[0]).min(hull[3] - hull[1]);
            let class = boxes.data[5 * i + 4];
            let stays = match (side - 1.0).abs() < 1e-4 {
                true => classes.data[i] >= 0.0,
                false => side >= 1.0,
            };
            want_classes.data[i] = if stays { class } else { -1.0 };
            if !stays || class < 0.0 {
                hull.fill(0.0);
            }
        }
        let mut report = Report::default();
        report.compare("mask", &got, &want, 0.0);
        report.compare("corners", &corners, &want_corners, 1e-5);
        report.compare("classes", &classes, &want_classes, 0.0);
        Ok(report)
    };
    Case::custom(why, check, record(op, axes, count))
}

/// A case of a bright rectangle on a dark image, with its mask and its box: in the view, pixels that are
/// wholly bright are in the mask, pixels that are wholly dark are not, and the box is the mask's, but
/// for what half a pixel at a corner may look like.
pub fn moves_with_the_image(axes: [usize; 3], op: Warp) -> Case {
    let [n, h, w] = axes;
    let [left, top, right, below] = [w / 4, h / 3, w / 4 + 9, h / 3 + 14];
    let inside =
        move |i: usize| (left..right).contains(&(i % w)) && (top..below).contains(&(i / w % h));
    let op = Warp { mean: 0.0, std: 1.0, ..op };
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mask: Vec<f64> = (0..n * h * w).map(|i| f64::from(inside(i))).collect();
        let mask = Array::new(&[n, h * w], mask);
        let corners = [left, top, right, below, 1].map(|v| v as f64);
        let boxes = Array::new(&[n, 5], corners.repeat(n));
        let step = Step { seed_low: seed as u32, ..Step::default() };
        let [seen, corners, _] = solve(gpu, op, [&mask, &boxes], axes, &step)?;
        let bytes: Vec<u8> = mask.data.iter().map(|v| *v as u8).collect();
        let images: Vec<Grey> = bytes.chunks(h * w).map(Grey::Bytes).collect();
        let images = Warp::upload(gpu, &images)?;
        let on_device = step.upload(gpu)?;
        let (picture, program) = gpu.eager(|rec| {
            let y = op.forward(rec, &images, axes, &on_device)?;
            rec.keep(&y.data);
            Ok(y)
        })?;
        let picture = picture.read(&program)?;
        let mut report = Report::default();
        let wrong = (0..n * h * w).filter(|i| {
            let (bright, marked) = (picture.data[3 * i], seen.data[*i] == 1.0);
            (bright > 0.999 && !marked) || (bright < 0.001 && marked)
        });
        report.0.push(("pixels whose mask is not theirs".into(), wrong.count() as f64, 0.0));
        for image in 0..n {
            let marked = (0..h * w).filter(|i| seen.data[image * h * w + i] == 1.0);
            let mut hull = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
            for i in marked {
                let at = [(i % w) as f64, (i / w) as f64];
                for a in 0..2 {
                    hull[a] = hull[a].min(at[a]);
                    hull[2 + a] = hull[2 + a].max(at[a] + 1.0);
                }
            }
            let far = (0..4).map(|c| (hull[c] - corners.data[4 * image + c]).abs());
            let what = format!("pixels between box and mask of image {image}");
            report.0.push((what, far.fold(0.0, f64::max), 1.0));
        }
        Ok(report)
    };
    Case::custom("what is marked moves with the image", check, record(op, axes, 1))
}
