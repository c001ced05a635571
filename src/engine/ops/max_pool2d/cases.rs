//! Cases of max pooling: shapes and values that its kernels are held to.

use super::MaxPool2d;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Op, Outputs, Report, Signature,
        case::{Setup, differentiate, size},
        external::nchw,
    },
    tensor::{Array, Format, Philox, Tensor},
};

/// Inputs and attributes of `run-op max_pool2d`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x", "dy?"],
    attributes: &[("kernel", "[r, s]"), ("stride", "kernel"), ("padding", "[0, 0]")],
    variants: &[Variant::Plain],
};

/// The pooling after ResNet's stem.
const RESNET: MaxPool2d = MaxPool2d { kernel: [3; 2], stride: [2; 2], padding: [1; 2] };

fn case(why: &str, pool: MaxPool2d, shape: [usize; 4]) -> Case {
    // Differences must not change which of two values is the larger.
    fn all_apart(x: &mut [Array; 1], random: &mut Philox) {
        let order = random.permutation(x[0].data.len());
        let most = order.len() as f64;
        x[0].data = order.into_iter().map(|i| 2.0 * i as f64 / most - 1.0).collect();
    }
    Case::new(why, pool, [shape.to_vec()], Setup { inputs: all_apart, ..Setup::default() })
}

/// A case in f16, which tells 1000 values apart and no more.
fn half(why: &str, pool: MaxPool2d, shape: [usize; 4]) -> Case {
    fn all_apart(x: &mut [Array; 1], random: &mut Philox) {
        let last = x[0].shape[3];
        let pixels = x[0].data.len() / last;
        for channel in 0..last {
            for (pixel, i) in random.permutation(pixels).into_iter().enumerate() {
                x[0].data[pixel * last + channel] = i as f64 / 8.0;
            }
        }
    }
    let setup =
        Setup { inputs: all_apart, half: [true], allowed: (1e-3, 2e-3), ..Setup::default() };
    Case::new(why, pool, [shape.to_vec()], setup)
}

/// A case of equal pixels, as the zeros behind a ReLU are: each window's gradient goes to the first
/// of its pixels that lies in the image.
fn ties(shape: [usize; 4]) -> Case {
    let [n, h, w, c] = shape;
    let [p, q] = RESNET.output([h, w]).expect("the window fits");
    Case::custom(
        "equal pixels: the first takes the gradient",
        move |gpu, variant, seed| {
            let x = Array::new(&shape, vec![0.5; n * h * w * c]);
            let dy = Array::random(&[n, p, q, c], seed);
            let mut want = Array::zeros(&shape);
            for (at, v) in dy.data.iter().enumerate() {
                let (i, row, column, channel) =
                    (at / c / q / p, at / c / q % p, at / c % q, at % c);
                let (top, left) = ((2 * row).saturating_sub(1), (2 * column).saturating_sub(1));
                want.data[((i * h + top) * w + left) * c + channel] += v;
            }
            let (y, [dx]) =
                differentiate(gpu, variant, &RESNET, [(&x, Format::F32)], Some(&dy), [true])?;
            let mut report = Report::default();
            report.compare("y", &y, &Array::new(&dy.shape, vec![0.5; dy.data.len()]), 0.0);
            report.compare("gradient", &dx.unwrap_or(Array::zeros(&[0])), &want, 1e-6);
            Ok(report)
        },
        move |rec| {
            let (y, origin) = RESNET.forward(rec, [&Tensor::alloc(&rec.gpu, &shape)?])?;
            let dy = Tensor::alloc(&rec.gpu, &y.shape)?;
            RESNET.backward(rec, &origin, &dy, [true]).map(|_| ())
        },
    )
}

/// The problems that max_pool2d must solve.
pub fn cases() -> Vec<Case> {
    let plain = |size: usize| MaxPool2d { kernel: [size; 2], stride: [size; 2], padding: [0; 2] };
    let uneven = MaxPool2d { kernel: [4, 3], stride: [1, 2], padding: [2, 0] };
    let gaps = MaxPool2d { kernel: [1, 2], stride: [3, 4], padding: [0, 1] };
    vec![
        case("one element", plain(1), [1, 1, 1, 1]),
        case("one pixel, padded", RESNET, [2, 1, 1, 5]),
        case("behind ResNet's stem", RESNET, [2, 56, 56, 64]),
        case("odd sizes", RESNET, [2, 15, 8, 7]),
        half("f16, behind ResNet's stem", RESNET, [2, 14, 13, 12]),
        half("f16, odd channels", RESNET, [2, 5, 6, 7]),
        case("windows side by side", plain(2), [3, 9, 10, 6]),
        case("height and width differ", uneven, [1, 12, 15, 3]),
        case("pixels in no window", gaps, [2, 10, 11, 4]),
        ties([2, 13, 18, 6]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let mut pool = MaxPool2d { kernel: [1; 2], stride: [1; 2], padding: [0; 2] };
    let mut shape = [size(random, 3), 0, 0, size(random, 33)];
    for i in 0..2 {
        pool.kernel[i] = 1 + random.below(5);
        pool.stride[i] = 1 + random.below(4);
        pool.padding[i] = random.below(pool.kernel[i] / 2 + 1);
        shape[1 + i] = (pool.kernel[i] - 2 * pool.padding[i]).max(1) + random.below(12);
    }
    case("random", pool, shape)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let kernel: Option<[usize; 2]> = external.attribute("kernel", None)?;
    let kernel = kernel
        .ok_or_else(|| external.refused("an attribute `kernel`, a list of two numbers", "none"))?;
    let pool = MaxPool2d {
        kernel,
        stride: external.attribute("stride", kernel)?,
        padding: external.attribute("padding", [0, 0])?,
    };
    let x = external.image("x")?;
    if pool.output([x.shape[1], x.shape[2]]).is_none() {
        let found = format!("{:?} and {pool:?}", external.tensor("x")?.shape);
        let expected = "a window in the image, a stride of at least 1 and padding of at most half \
                        the kernel";
        return Err(external.refused(expected, found));
    }
    let (y, [dx]) = external.apply(&pool, [&x], external.image_dy()?.as_ref(), [true])?;
    let mut out = vec![("y".to_owned(), nchw(&y))];
    out.extend(dx.map(|dx| ("dx".to_owned(), nchw(&dx))));
    Ok(out)
}
