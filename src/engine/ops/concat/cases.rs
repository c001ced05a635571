//! Cases of concatenation along channels: shapes and values that its kernels are held to.

use super::Concat;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
        external::{nchw, nhwc},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op concat`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x0", "x1", "x2?", "x3?", "x4?", "x5?", "x6?", "x7?", "dy?"],
    attributes: &[],
    variants: &[Variant::Plain],
};

fn case<const N: usize>(why: &str, rows: &[usize], channels: [usize; N]) -> Case {
    let shapes = channels.map(|c| [rows, &[c]].concat());
    Case::new::<N, _>(why, Concat, shapes, Setup::default())
}

/// The problems that concat must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", &[1, 1, 1], [1]),
        case("DeepLab's five branches", &[2, 8, 8], [256; 5]),
        case("four inputs share a quad", &[2, 3, 5], [1; 4]),
        case("inputs within a quad of others", &[1, 7, 3], [3, 1, 2, 1, 6]),
        case("every shift", &[3, 5, 2], [5, 9, 13, 17, 21]),
        case("aligned, then not", &[1, 4, 9], [8, 3, 4]),
        case("rows of a matrix", &[13], [6, 7]),
        case("eight inputs", &[1, 3, 3], [2, 3, 5, 7, 1, 4, 6, 3]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let rows = [size(random, 3), size(random, 12), size(random, 12)];
    let mut c = || size(random, 33);
    let channels = [c(), c(), c(), c()];
    match channels {
        [a, b, ..] if a < 12 => case("random, two", &rows, [a, b]),
        [a, b, c, _] if a < 20 => case("random, three", &rows, [a, b, c]),
        _ => case("random, four", &rows, channels),
    }
}

fn applied<const N: usize>(external: &External, x: &[Array]) -> Result<Outputs> {
    let inputs: [&Array; N] = std::array::from_fn(|i| &x[i]);
    let dy = external.image_dy()?;
    let (y, dx) = external.apply::<N, _>(&Concat, inputs, dy.as_ref(), [true; N])?;
    let mut out = vec![("y".to_owned(), nchw(&y))];
    let gradients = dx.iter().enumerate().filter_map(|(i, dx)| Some((i, dx.as_ref()?)));
    out.extend(gradients.map(|(i, dx)| (format!("dx{i}"), nchw(dx))));
    Ok(out)
}

/// Runs a problem that another program poses: images `x0`, `x1`, … `[N, Cᵢ, H, W]`, up to eight.
pub fn run(external: &External) -> Result<Outputs> {
    let given = (0..).take_while(|i| external.tensors.contains_key(&format!("x{i}"))).count();
    let image = |i: usize| Ok(nhwc(external.ranked(&format!("x{i}"), 4)?));
    let x = (0..given).map(image).collect::<Result<Vec<_>>>()?;
    match given {
        1 => applied::<1>(external, &x),
        2 => applied::<2>(external, &x),
        3 => applied::<3>(external, &x),
        4 => applied::<4>(external, &x),
        5 => applied::<5>(external, &x),
        6 => applied::<6>(external, &x),
        7 => applied::<7>(external, &x),
        8 => applied::<8>(external, &x),
        n => Err(external.refused("one to eight images `x0`, `x1`, …", n.to_string())),
    }
}
