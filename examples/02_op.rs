//! One op of your own, with its derivative: `y = x²`, applied on a tape and differentiated.
//!
//! An op of the engine has two files more, `reference.rs` and `cases.rs`, which prove it on every adapter: see CONTRIBUTING.md.
//!
//! `cargo run --release --example 02_op`

use mtpret_engine::{
    Result,
    autograd::{Mode, Tape},
    gpu::{Cost, DeviceOptions, Gpu, Kernel, Program, Recording},
    ops::Op,
    params,
    tensor::{Array, Scope, State, Tensor},
};

params! { struct Params { quads: u32 } }

/// Two kernels: `out = x · x`, and `out = 2 · x · dy`.
const FORWARD: Kernel<Params> = Kernel::new("square/forward", include_str!("square_forward.wgsl"));
const BACKWARD: Kernel<Params> =
    Kernel::new("square/backward", include_str!("square_backward.wgsl"));

/// `y = x²`, element by element.
struct Square;

impl Op<1> for Square {
    /// The derivative needs x.
    type Saved = Tensor;

    fn forward(&self, rec: &Recording, [x]: [&Tensor; 1]) -> Result<(Tensor, Tensor)> {
        let y = Tensor::new(rec, &x.shape);
        launch(rec, &FORWARD, &[x, &y])?;
        Ok((y, x.clone()))
    }
    fn backward(
        &self,
        rec: &Recording,
        x: &Tensor,
        dy: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        let dx = Tensor::new(rec, &x.shape);
        launch(rec, &BACKWARD, &[x, dy, &dx])?;
        Ok([Some(dx)])
    }
}

/// One thread for each four numbers of tensors of one shape.
fn launch(rec: &Recording, kernel: &Kernel<Params>, tensors: &[&Tensor]) -> Result<()> {
    let quads = tensors[0].rows() * tensors[0].quads();
    let slices: Vec<_> = tensors.iter().map(|tensor| &tensor.data).collect();
    let cost = Cost { flops: 4 * quads as u64, trips: 0, shape: format!("{:?}", tensors[0].shape) };
    rec.launch(kernel, &[], Params { quads: quads as u32 }, &slices, Gpu::grid(quads), cost)
}

fn main() -> Result<()> {
    let gpu = Gpu::open(DeviceOptions::default())?;
    // A tape records an op's forward pass, and from it the backward pass. This network has no weights.
    let state = State::init(&gpu, &Scope::root(), 0)?;
    let [x, dy] = [1, 2].map(|seed| Array::random(&[8, 5], seed));
    let rec = Recording::new(&gpu);
    let tape = Tape::new(&rec, &state, Mode::Train { groups: 1 });
    let input = tape.watch(&Tensor::upload(&gpu, &x)?);
    let y = tape.apply(Square, [&input])?;
    let dx = tape.gradient(&y, &Tensor::upload(&gpu, &dy)?, &input)?.expect("y depends on x");
    rec.keep(&dx.data);
    let program = Program::new(rec)?;
    program.run();

    let found = dx.read(&program)?;
    let wanted = x.data.iter().zip(&dy.data).map(|(x, dy)| 2.0 * x * dy);
    let worst = found.data.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max);
    println!("dy/dx of x² on {}: at most {worst:.1e} from f64", gpu.info().name);
    assert!(worst < 1e-5, "the derivative is wrong");
    Ok(())
}
