use super::{Conv2d, VARIANTS};
use crate::{
    Result,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
        external::nchw,
    },
    tensor::{Array, Philox},
};

/// What `run-op conv2d` takes.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x", "w", "b?", "dy?"],
    attributes: &[("stride", "[1, 1]"), ("padding", "[0, 0]"), ("dilation", "[1, 1]")],
    variants: VARIANTS,
};

/// Image `[N, H, W, C]`, kernel `[R, S]`, K.
type Shape = ([usize; 4], [usize; 2], usize);

fn case(why: &str, conv: Conv2d, (x, [r, s], k): Shape, bias: bool) -> Case {
    // Rows of w beyond C are zeros, as an arena has them.
    fn zero_rows<const N: usize>(inputs: &mut [Array; N], _: &mut Philox) {
        let (c, padded) = (inputs[0].shape[3], inputs[1].shape[2]);
        inputs[1] = inputs[1].resized(2, c).resized(2, padded);
    }
    let w = vec![r, s, x[3].next_multiple_of(4), k];
    if bias {
        let setup = Setup { inputs: zero_rows::<3>, ..Setup::default() };
        Case::new::<3, _>(why, conv, [x.to_vec(), w, vec![k]], setup)
    } else {
        let setup = Setup { inputs: zero_rows::<2>, ..Setup::default() };
        Case::new::<2, _>(why, conv, [x.to_vec(), w], setup)
    }
}

/// Image and kernel in f16, which rounds the results to about three digits.
fn half_case(why: &str, conv: Conv2d, (x, [r, s], k): Shape) -> Case {
    fn zero_rows(inputs: &mut [Array; 2], _: &mut Philox) {
        let (c, padded) = (inputs[0].shape[3], inputs[1].shape[2]);
        inputs[1] = inputs[1].resized(2, c).resized(2, padded);
    }
    let w = vec![r, s, x[3].next_multiple_of(4), k];
    let (half, allowed) = ([true; 2], (1e-3, 2e-3));
    let setup = Setup { inputs: zero_rows, half, allowed, ..Setup::default() };
    Case::new::<2, _>(why, conv, [x.to_vec(), w], setup)
}

/// The problems that conv2d must solve.
pub fn cases() -> Vec<Case> {
    let atrous = Conv2d { padding: [12; 2], dilation: [12; 2], ..Conv2d::new(1, 0) };
    let near = Conv2d { padding: [4; 2], dilation: [2; 2], ..Conv2d::new(1, 0) };
    let strided_atrous = Conv2d { padding: [2; 2], dilation: [2; 2], ..Conv2d::new(2, 0) };
    let uneven = Conv2d { stride: [1, 2], padding: [0, 2], dilation: [2, 1] };
    vec![
        case("one pixel", Conv2d::new(1, 0), ([1, 1, 1, 1], [1, 1], 1), true),
        case("ResNet's stem", Conv2d::new(2, 3), ([2, 33, 31, 3], [7, 7], 64), false),
        case("ResNet's layer1", Conv2d::new(1, 1), ([2, 16, 16, 64], [3, 3], 64), false),
        case("ResNet's layer2.0", Conv2d::new(2, 1), ([2, 15, 17, 64], [3, 3], 128), false),
        case("its shortcut", Conv2d::new(2, 0), ([2, 15, 17, 64], [1, 1], 128), false),
        case("a bottleneck's 1×1", Conv2d::new(1, 0), ([1, 9, 7, 64], [1, 1], 65), true),
        case("odd channels", Conv2d::new(1, 1), ([1, 11, 7, 5], [3, 3], 7), true),
        case("atrous", atrous, ([1, 29, 31, 16], [3, 3], 20), false),
        case("atrous, mostly padding", atrous, ([2, 9, 16, 12], [3, 3], 18), true),
        case("atrous, strided", strided_atrous, ([1, 17, 19, 8], [3, 3], 12), false),
        case("height and width differ", uneven, ([1, 12, 15, 4], [3, 5], 6), true),
        case(
            "tiles of 4 × 4 with a ragged edge",
            Conv2d::new(1, 1),
            ([2, 13, 9, 12], [3, 3], 8),
            true,
        ),
        case("tiles of 2 × 2", Conv2d::new(1, 1), ([3, 2, 2, 36], [3, 3], 68), true),
        case("padding beyond the kernel", Conv2d::new(1, 3), ([1, 4, 5, 4], [3, 3], 4), false),
        half_case("f16, ResNet's layer1", Conv2d::new(1, 1), ([2, 16, 16, 64], [3, 3], 64)),
        half_case("f16, ResNet's stem", Conv2d::new(2, 3), ([2, 33, 31, 3], [7, 7], 64)),
        half_case("f16, a strided shortcut", Conv2d::new(2, 0), ([2, 15, 17, 20], [1, 1], 65)),
        case("dilated, phase by phase", near, ([2, 14, 13, 12], [3, 3], 20), true),
        case("wider than a tile of 128", Conv2d::new(1, 0), ([1, 13, 11, 36], [1, 1], 200), true),
        case("sums long enough for parts", Conv2d::new(1, 1), ([1, 6, 5, 60], [3, 3], 12), true),
        case("stride beyond the kernel", Conv2d::new(3, 0), ([2, 10, 11, 6], [1, 2], 9), false),
    ]
}

/// The problems by which an adapter's products of matrices are judged before a run takes them, in f16 or f32: more than one tile
/// of rows and of columns, edges, padding and a stride, and terms of several stages, of which the last is ragged.
pub fn cases_of_matrices(half: bool) -> Vec<Case> {
    let all: [(&str, Conv2d, Shape); 2] = [
        ("a product", Conv2d::new(1, 0), ([1, 10, 15, 40], [1, 1], 136)),
        ("a convolution", Conv2d::new(2, 1), ([2, 17, 18, 24], [3, 3], 72)),
    ];
    let made = |(why, conv, shape)| match half {
        true => half_case(why, conv, shape),
        false => case(why, conv, shape, false),
    };
    all.into_iter().map(made).collect()
}

/// A problem of random shape; every third is one that Winograd's convolution solves.
pub fn random(random: &mut Philox) -> Case {
    if random.below(3) == 0 {
        let [h, w] = [3, 3].map(|least| least + random.below(12));
        let x = [size(random, 3), h, w, size(random, 33)];
        let conv = Conv2d::new(1, random.below(4));
        return case("random, 3 × 3", conv, (x, [3, 3], size(random, 70)), random.below(2) == 0);
    }
    let kernel = [1 + random.below(5), 1 + random.below(5)];
    let mut conv = Conv2d::new(1, 0);
    let mut x = [size(random, 3), 0, 0, size(random, 33)];
    for i in 0..2 {
        conv.stride[i] = 1 + random.below(3);
        conv.dilation[i] = 1 + random.below(3);
        conv.padding[i] = random.below(4);
        let reach = conv.dilation[i] * (kernel[i] - 1) + 1;
        x[1 + i] = reach.saturating_sub(2 * conv.padding[i]).max(1) + random.below(9);
    }
    case("random", conv, (x, kernel, size(random, 70)), random.below(2) == 0)
}

/// Runs a problem from outside.
pub fn run(external: &External) -> Result<Outputs> {
    let conv = Conv2d {
        stride: external.attribute("stride", [1, 1])?,
        padding: external.attribute("padding", [0, 0])?,
        dilation: external.attribute("dilation", [1, 1])?,
    };
    if conv.stride.contains(&0) || conv.dilation.contains(&0) {
        let found = format!("{:?} and {:?}", conv.stride, conv.dilation);
        return Err(external.refused("stride and dilation of at least 1", found));
    }
    let (x, w) = (external.image("x")?, external.ranked("w", 4)?);
    let [k, c, r, s] = w.shape[..] else { unreachable!("four axes were asked for") };
    if x.shape[3] != c {
        let expected = format!("x of w's {c} input channels");
        return Err(external.refused(expected, x.shape[3].to_string()));
    }
    if conv.output([x.shape[1], x.shape[2]], [r, s]).is_none() {
        let expected = format!("a kernel within the image {:?}", &x.shape[1..3]);
        return Err(external.refused(expected, format!("{:?}", [r, s])));
    }
    let w = w.permuted(&[2, 3, 1, 0]).resized(2, c.next_multiple_of(4));
    let dy = external.image_dy()?;
    let mut out = Outputs::new();
    let (y, [dx, dw, db]) = match external.tensors.get("b") {
        Some(b) if b.shape != [k] => {
            return Err(external.refused(format!("b of shape [{k}]"), format!("{:?}", b.shape)));
        }
        Some(b) => external.apply::<3, _>(&conv, [&x, &w, b], dy.as_ref(), [true; 3])?,
        None => {
            let (y, [dx, dw]) = external.apply::<2, _>(&conv, [&x, &w], dy.as_ref(), [true; 2])?;
            (y, [dx, dw, None])
        }
    };
    out.push(("y".into(), nchw(&y)));
    out.extend(dx.map(|g| ("dx".into(), nchw(&g))));
    out.extend(dw.map(|g| ("dw".into(), g.resized(2, c).permuted(&[3, 2, 0, 1]))));
    out.extend(db.map(|g| ("db".into(), g)));
    Ok(out)
}
