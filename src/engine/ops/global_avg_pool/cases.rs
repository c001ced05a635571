//! Cases of global average pooling: shapes and values that its kernels are held to.

use super::GlobalAvgPool;
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

/// Inputs and attributes of `run-op global_avg_pool`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x", "dy?"], attributes: &[], variants: &[Variant::Plain] };

fn case(why: &str, shape: [usize; 4]) -> Case {
    Case::new(why, GlobalAvgPool, [shape.to_vec()], Setup::default())
}

/// The problems that global_avg_pool must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", [1, 1, 1, 1]),
        case("odd channels", [3, 7, 5, 21]),
        case("behind ResNet-18", [4, 7, 7, 512]),
        case("DeepLab's image pooling", [1, 28, 28, 256]),
        case("many pixels, few channels", [2, 65, 33, 3]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let shape = [size(random, 6), size(random, 40), size(random, 40), size(random, 70)];
    case("random", shape)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.image("x")?;
    let dy = external.tensors.get("dy");
    let (y, [dx]) = external.apply(&GlobalAvgPool, [&x], dy, [true])?;
    let mut out = vec![("y".to_owned(), y)];
    out.extend(dx.map(|dx| ("dx".to_owned(), nchw(&dx))));
    Ok(out)
}
