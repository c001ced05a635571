//! Cases of the augmentation of images: shapes and values that its kernels are held to.

use super::{Grey, View, Warp, marks};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Step, Tensor},
};

/// Inputs and attributes of `run-op warp`: grey images `[N, 1, H, W]` on 0..255, of which 16 bits are kept; gives y
/// `[N, 3, H, W]`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x"],
    attributes: &[
        ("mean", "122.786"),
        ("std", "18.39"),
        ("flip", "0.5"),
        ("rotate_deg", "10"),
        ("shift", "0.05"),
        ("view", "0"),
        ("seed", "0"),
        ("step", "0"),
        ("stage", "0"),
    ],
    variants: &[Variant::Plain],
};

/// A view of images, with the zeros that fill its pixels, and how each image is seen, `[N, 4]`.
fn solve(gpu: &Gpu, op: Warp, images: &[Grey], axes: [usize; 3], step: Step) -> Result<[Array; 2]> {
    let (images, step) = (Warp::upload(gpu, images)?, step.upload(gpu)?);
    let ([y, views], program) = gpu.eager(|rec| {
        let out = [op.forward(rec, &images, axes, &step)?, op.views(rec, axes[0], &step)?];
        out.iter().for_each(|t| rec.keep(&t.data));
        Ok(out)
    })?;
    let [n, h, w] = axes;
    Ok([y.reshape(&[n, h, w, 4]).read(&program)?, views.read(&program)?])
}

/// A view without flip, rotation or shift.
const STILL: Warp =
    Warp { mean: 122.786, std: 18.39, flip: 0.0, rotate_deg: 0.0, shift: 0.0, view: 0 };
/// A view turned by any angle.
const TURNED: Warp = Warp { rotate_deg: 180.0, ..STILL };
/// A view as the paper's pretraining takes it, with a shift.
const USUAL: Warp = Warp { flip: 0.5, rotate_deg: 10.0, shift: 0.05, ..STILL };

/// Bits of a grey: of every image, or of one image and the next in turns.
type Bits = &'static [u32];
const EIGHT: Bits = &[8];
const SIXTEEN: Bits = &[16];
const BOTH: Bits = &[8, 16];

/// A case whose pixels are noise: neighbours differ by up to 255 greys, so that a place wrong by a
/// thousandth of a pixel would show.
fn case(why: &str, axes: [usize; 3], bits: Bits, op: Warp, allowed: f64) -> Case {
    let [n, h, w] = axes;
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let words = Array::random(&[n * h * w], seed).data.into_iter().enumerate();
        let words: Vec<u16> = words
            .map(|(i, v)| match bits[i / (h * w) % bits.len()] {
                8 => 257 * (128.0 * (v + 1.0)) as u16,
                _ => (32768.0 * (v + 1.0)) as u16,
            })
            .collect();
        let bytes: Vec<u8> = words.iter().map(|v| (v / 257) as u8).collect();
        let deep: Vec<Grey> = words.chunks(h * w).map(Grey::Words).collect();
        let eight = |i: usize| bits[i % bits.len()] == 8;
        let images = bytes.chunks(h * w).zip(&deep).enumerate();
        let images: Vec<Grey> =
            images.map(|(i, (b, deep))| if eight(i) { Grey::Bytes(b) } else { *deep }).collect();
        let pixels =
            Array::new(&[n * h * w], words.iter().map(|v| f64::from(*v) / 257.0).collect());
        let seed_high = (seed as u32).wrapping_mul(0x9E37_79B9);
        let step = Step { step: 7, seed_low: seed as u32, seed_high, stage: 2, ..Step::default() };
        let [y, views] = solve(gpu, op, &images, axes, step)?;
        let drawn = (0..n as u32).flat_map(|sample| {
            let View { side, turns, right, down } = op.draw(&step, sample);
            [side, turns, right, down].map(f64::from)
        });
        let mut report = Report::default();
        report.compare("views", &views, &Array::new(&[n, 4], drawn.collect()), 0.0);
        let want = op.reference(&pixels, axes, &step).resized(3, 4);
        report.compare("y", &y, &want, allowed);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let step = Step::default().upload(&rec.gpu)?;
        let images = Tensor::alloc(&rec.gpu, &[Warp::words(n, h * w)])?;
        op.forward(rec, &images, axes, &step).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that warp must solve.
pub fn cases() -> Vec<Case> {
    // Rounding places a pixel wrong by 1e-7 of the image's width, which noise turns into an error of
    // its neighbours' difference times that.
    vec![
        case("one pixel", [1, 1, 1], EIGHT, STILL, 1e-6),
        case("one pixel of 16 bits", [1, 1, 1], SIXTEEN, STILL, 1e-6),
        case("the z-score alone, odd sizes", [3, 13, 7], SIXTEEN, STILL, 1e-6),
        case("images of both depths", [5, 13, 7], BOTH, STILL, 1e-6),
        case("flips alone move whole pixels", [9, 6, 11], EIGHT, Warp { flip: 0.5, ..STILL }, 1e-6),
        case("every image flipped", [2, 5, 8], SIXTEEN, Warp { flip: 1.0, ..STILL }, 1e-6),
        case("shifts alone", [5, 9, 14], EIGHT, Warp { shift: 0.3, ..STILL }, 2e-5),
        case("rotations in every quarter", [17, 21, 16], BOTH, TURNED, 2e-5),
        case("the second view of a batch", [8, 64, 64], EIGHT, Warp { view: 1, ..USUAL }, 5e-5),
        case("the same in 16 bits", [8, 64, 64], SIXTEEN, Warp { view: 1, ..USUAL }, 5e-5),
        case("the paper's images are wide", [1, 500, 800], EIGHT, USUAL, 2e-4),
        marks::case("what is marked stays where it is", [3, 13, 7], 3, STILL),
        marks::case("what is marked is flipped", [3, 12, 15], 5, Warp { flip: 1.0, ..STILL }),
        marks::case("what is marked is shifted", [9, 24, 31], 2, Warp { shift: 0.4, ..STILL }),
        marks::case("what is marked turns", [9, 33, 21], 7, TURNED),
        marks::case("marks of a batch", [8, 64, 64], 4, Warp { view: 1, ..USUAL }),
        marks::moves_with_the_image([6, 48, 40], Warp { flip: 0.5, rotate_deg: 30.0, ..USUAL }),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let axes = [size(random, 6), size(random, 65), size(random, 65)];
    let mut one = || random.uniform() as f32;
    let op = Warp { flip: one(), rotate_deg: 180.0 * one(), shift: 0.5 * one(), ..STILL };
    let op = Warp { view: random.below(2) as u32, ..op };
    match random.below(2) {
        0 => case("random", axes, [EIGHT, SIXTEEN, BOTH][random.below(3)], op, 5e-5),
        _ => marks::case("random", axes, 1 + random.below(9), op),
    }
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.ranked("x", 4)?;
    let [n, h, w] = [x.shape[0], x.shape[2], x.shape[3]];
    if x.shape[1] != 1 || x.data.is_empty() {
        return Err(external.refused("x [N, 1, H, W]", format!("{:?}", x.shape)));
    }
    if let Some(v) = x.data.iter().find(|v| !(0.0..=255.0).contains(*v)) {
        return Err(external.refused("greys of 0 to 255", v.to_string()));
    }
    let op = Warp {
        mean: external.attribute("mean", STILL.mean)?,
        std: external.attribute("std", STILL.std)?,
        flip: external.attribute("flip", USUAL.flip)?,
        rotate_deg: external.attribute("rotate_deg", USUAL.rotate_deg)?,
        shift: external.attribute("shift", USUAL.shift)?,
        view: external.attribute("view", 0)?,
    };
    if op.std.is_nan() || op.std <= 0.0 {
        return Err(external.refused("`std` above 0", op.std.to_string()));
    }
    let seed: u64 = external.attribute("seed", 0)?;
    let step = Step {
        step: external.attribute("step", 0)?,
        stage: external.attribute("stage", 0)?,
        seed_low: seed as u32,
        seed_high: (seed >> 32) as u32,
        ..Step::default()
    };
    let words: Vec<u16> = x.data.iter().map(|v| (257.0 * v).round() as u16).collect();
    let images: Vec<Grey> = words.chunks(h * w).map(Grey::Words).collect();
    let [y, views] = solve(&external.gpu, op, &images, [n, h, w], step)?;
    Ok(vec![("y".to_owned(), y.resized(3, 3).permuted(&[0, 3, 1, 2])), ("views".to_owned(), views)])
}
