//! Cases of resizing: shapes and values that its kernels are held to.

use super::{Interpolation, Resize};
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
        external::nchw,
    },
    tensor::Philox,
};

/// Inputs and attributes of `run-op resize`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x", "dy?"],
    attributes: &[("size", "[h, w]"), ("mode", "bilinear"), ("align_corners", "false")],
    variants: &[Variant::Plain],
};

const BILINEAR: Interpolation = Interpolation::Bilinear { align_corners: false };
const ALIGNED: Interpolation = Interpolation::Bilinear { align_corners: true };

fn case(why: &str, mode: Interpolation, shape: [usize; 4], size: [usize; 2]) -> Case {
    Case::new(why, Resize { size, mode }, [shape.to_vec()], Setup::default())
}

/// The problems that resize must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", BILINEAR, [1, 1, 1, 1], [1, 1]),
        case("DeepLab's logits at output stride 16", BILINEAR, [2, 8, 8, 1], [128, 128]),
        case("DeepLab's image pooling, broadcast", BILINEAR, [2, 1, 1, 256], [8, 8]),
        case("FPN's way down", Interpolation::Nearest, [2, 7, 5, 256], [14, 10]),
        case("FPN's way down, odd sizes", Interpolation::Nearest, [1, 13, 16, 18], [25, 32]),
        case("nearest, fewer pixels", Interpolation::Nearest, [1, 17, 23, 5], [4, 23]),
        case("nearest, one pixel", Interpolation::Nearest, [1, 9, 7, 3], [1, 1]),
        case("the same size", BILINEAR, [2, 9, 7, 6], [9, 7]),
        case("fewer pixels", BILINEAR, [1, 33, 20, 7], [7, 11]),
        case("one axis up, one down", BILINEAR, [1, 5, 31, 9], [16, 13]),
        case("to one pixel", BILINEAR, [2, 6, 9, 4], [1, 1]),
        case("aligned corners", ALIGNED, [2, 9, 7, 5], [33, 25]),
        case("aligned corners, fewer pixels", ALIGNED, [1, 21, 16, 3], [6, 16]),
        case("aligned corners, to and from one pixel", ALIGNED, [2, 1, 6, 4], [7, 1]),
        case("a long axis, places of many digits", BILINEAR, [1, 1999, 1, 1], [1013, 1]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let mode = [BILINEAR, ALIGNED, Interpolation::Nearest][random.below(3)];
    let shape = [size(random, 3), size(random, 20), size(random, 20), size(random, 33)];
    case("random", mode, shape, [size(random, 33), size(random, 33)])
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let size: Option<[usize; 2]> = external.attribute("size", None)?;
    let size = size.ok_or_else(|| {
        external.refused("an attribute `size`, a list of height and width in pixels", "none")
    })?;
    let align_corners = external.attribute("align_corners", false)?;
    let mode = match external.attribute("mode", "bilinear".to_owned())?.as_str() {
        "bilinear" => Interpolation::Bilinear { align_corners },
        "nearest" if !align_corners => Interpolation::Nearest,
        "nearest" => {
            return Err(external.refused("`align_corners` false in mode nearest", "true"));
        }
        other => {
            return Err(external.refused("`mode` bilinear or nearest", other));
        }
    };
    let (op, x) = (Resize { size, mode }, external.image("x")?);
    let (y, [dx]) = external.apply(&op, [&x], external.image_dy()?.as_ref(), [true])?;
    let mut out = vec![("y".to_owned(), nchw(&y))];
    out.extend(dx.map(|dx| ("dx".to_owned(), nchw(&dx))));
    Ok(out)
}
