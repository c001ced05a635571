//! Cases of the NT-Xent loss: shapes and values that its kernels are held to.

use super::NtXent;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op nt_xent`: z `[2N, D]`, rows 2n and 2n + 1 of one image.
pub const SIGNATURE: Signature = Signature {
    inputs: &["z", "dloss?"],
    attributes: &[("temperature", "0.1")],
    variants: &[Variant::Plain],
};

fn case(why: &str, images: usize, d: usize, temperature: f32) -> Case {
    Case::new(why, NtXent { temperature }, [vec![2 * images, d]], Setup::default())
}

/// Makes both views of an image nearly the same.
fn alike(x: &mut [Array; 1], random: &mut Philox) {
    let d = x[0].shape[1];
    for pair in x[0].data.chunks_mut(2 * d) {
        let (one, other) = pair.split_at_mut(d);
        one.iter().zip(other).for_each(|(a, b)| *b = a + 0.01 * random.uniform());
    }
}

/// The problems that nt_xent must solve.
pub fn cases() -> Vec<Case> {
    let setup = Setup { inputs: alike, ..Setup::default() };
    let op = NtXent { temperature: 0.07 };
    vec![
        case("one image: nothing to tell it from", 1, 4, 0.5),
        case("odd sizes", 5, 7, 0.1),
        case("a batch of SimCLR's", 64, 128, 0.1),
        Case::new("views that are nearly the same", op, [vec![12, 32]], setup),
    ]
}

/// A problem of random shape. With one number a row, unit length leaves it no gradient to compare.
pub fn random(random: &mut Philox) -> Case {
    let temperature = 0.1 + random.uniform() as f32;
    case("random", size(random, 33), 1 + size(random, 70), temperature)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let z = external.ranked("z", 2)?;
    let op = NtXent { temperature: external.attribute("temperature", 0.1)? };
    if z.shape[0] % 2 != 0 || op.temperature.is_nan() || op.temperature <= 0.0 {
        let found = format!("{:?} and {}", z.shape, op.temperature);
        return Err(external.refused("z [2N, D] and `temperature` above 0", found));
    }
    let (loss, [dz]) = external.apply(&op, [z], external.dloss().as_ref(), [true])?;
    let mut out = vec![("loss".to_owned(), loss)];
    out.extend(dz.map(|dz| ("dz".to_owned(), dz)));
    Ok(out)
}
