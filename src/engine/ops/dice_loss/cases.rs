//! Cases of the Dice loss: shapes and values that its kernels are held to.

use super::{Classes, DiceLoss, Reduce};
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

/// Inputs and attributes of `run-op dice_loss`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["logits", "target", "dloss?"],
    attributes: &[("smooth", "1"), ("reduce", "image"), ("classes", "foreground")],
    variants: &[Variant::Plain],
};

/// Draws logits from −4 to 4 and targets of 0, 1 or something between.
fn usual(x: &mut [Array; 2], random: &mut Philox) {
    let [x, t] = x;
    x.data.iter_mut().for_each(|v| *v *= 4.0);
    for t in &mut t.data {
        *t = [0.0, 1.0, 0.0, random.uniform()][random.below(4)];
    }
}

/// Draws inputs whose first image has no foreground.
fn without(x: &mut [Array; 2], random: &mut Philox) {
    usual(x, random);
    let of_image = x[1].data.len() / x[1].shape[0];
    x[1].data[..of_image].fill(0.0);
}

/// Draws logits of −300 to 300, whose exponentials are beyond f32.
fn huge(x: &mut [Array; 2], random: &mut Philox) {
    usual(x, random);
    x[0].data.iter_mut().for_each(|v| *v *= 75.0);
}

/// Draws logits that are right by 7 to 9 everywhere: the loss is about 1e-3.
fn confident(x: &mut [Array; 2], random: &mut Philox) {
    let [x, t] = x;
    for (x, t) in x.data.iter_mut().zip(&mut t.data) {
        *t = random.below(2) as f64;
        *x += if *t > 0.0 { 8.0 } else { -8.0 };
    }
}

fn case(
    why: &str,
    dice: DiceLoss,
    shape: [usize; 3],
    inputs: fn(&mut [Array; 2], &mut Philox),
) -> Case {
    let setup = Setup { inputs, differentiable: [true, false], ..Setup::default() };
    let shape = [&shape[..], &[1]].concat();
    Case::new(why, dice, [shape.clone(), shape], setup)
}

/// The problems that dice_loss must solve.
pub fn cases() -> Vec<Case> {
    let image = DiceLoss::default();
    let batch = DiceLoss { reduce: Reduce::Batch, ..image };
    let both = DiceLoss { classes: Classes::All, ..image };
    vec![
        case("one element", image, [1, 1, 1], usual),
        case("odd sizes", image, [3, 17, 23], usual),
        case("images of 128 pixels", image, [4, 128, 128], usual),
        case("an image without foreground", image, [3, 9, 11], without),
        case("the batch as one image", batch, [3, 33, 17], without),
        case("the background too", both, [2, 19, 21], usual),
        case(
            "the background of the batch too",
            DiceLoss { reduce: Reduce::Batch, ..both },
            [4, 8, 9],
            without,
        ),
        case("plain Dice", DiceLoss { smooth: 0.0, ..image }, [2, 13, 7], usual),
        case("more images than threads", image, [300, 3, 2], usual),
        case("logits beyond exp's range", both, [2, 12, 12], huge),
        case("a confident network that is right", both, [2, 24, 24], confident),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let dice = DiceLoss {
        smooth: [1.0, 0.5, 0.0][random.below(3)],
        reduce: [Reduce::Image, Reduce::Batch][random.below(2)],
        classes: [Classes::Foreground, Classes::All][random.below(2)],
    };
    case("random", dice, [size(random, 5), size(random, 65), size(random, 65)], usual)
}

/// Runs a problem that another program poses: logits and target `[N, 1, H, W]`.
pub fn run(external: &External) -> Result<Outputs> {
    let named = |name: &str, default: &str| external.attribute(name, default.to_owned());
    let dice = DiceLoss {
        smooth: external.attribute("smooth", 1.0)?,
        reduce: match named("reduce", "image")?.as_str() {
            "image" => Reduce::Image,
            "batch" => Reduce::Batch,
            other => {
                return Err(external.refused("`reduce` image or batch", other));
            }
        },
        classes: match named("classes", "foreground")?.as_str() {
            "foreground" => Classes::Foreground,
            "all" => Classes::All,
            other => {
                return Err(external.refused("`classes` foreground or all", other));
            }
        },
    };
    let (x, t) = (external.image("logits")?, nhwc(external.ranked("target", 4)?));
    if let Some(t) = t.data.iter().find(|t| !(0.0..=1.0).contains(*t)) {
        return Err(external.refused("`target` from 0 to 1", t.to_string()));
    }
    let (loss, [dx, _]) =
        external.apply(&dice, [&x, &t], external.dloss().as_ref(), [true, false])?;
    let mut out = vec![("loss".to_owned(), loss)];
    out.extend(dx.map(|dx| ("dlogits".to_owned(), nchw(&dx))));
    Ok(out)
}
