//! One kernel of your own: `y = a · x + y` on whatever adapter this machine has.
//!
//! `cargo run --release --example 01_kernel`

use mtpret_engine::{
    Result,
    gpu::{Cost, DeviceOptions, Gpu, Kernel, Program, Recording},
    params,
    tensor::{Array, Tensor},
};

// What a launch is told, in the order of the WGSL struct. It travels as immediate data.
params! { struct Params { quads: u32, a: f32 } }

// A kernel is WGSL with one entry point `main`; `#import` names a file of `shaders/shared`. Bindings are numbered as the slices of a
// launch. A tensor's last axis is padded to a multiple of four, so that kernels move `vec4f`.
const SAXPY: Kernel<Params> = Kernel::new(
    "saxpy",
    "
#import grid

struct Params { quads: u32, a: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.quads {
        y[i] += p.a * x[i];
    }
}
",
);

fn main() -> Result<()> {
    let gpu = Gpu::open(DeviceOptions::default())?;
    println!("{}, driver {}", gpu.info().name, gpu.driver());
    let [x, y] = [1, 2].map(|seed| Array::random(&[1000, 10], seed));
    let [on_x, on_y] = [Tensor::upload(&gpu, &x)?, Tensor::upload(&gpu, &y)?];

    // A recording is made once; as a program it runs as often as wanted.
    let rec = Recording::new(&gpu);
    let quads = on_x.rows() * on_x.quads();
    let params = Params { quads: quads as u32, a: 0.5 };
    let cost = Cost { flops: 8 * quads as u64, trips: 0, shape: format!("{:?}", on_x.shape) };
    rec.launch(&SAXPY, &[], params, &[&on_x.data, &on_y.data], Gpu::grid(quads), cost)?;
    let program = Program::new(rec)?;
    program.run();

    let found = on_y.read(&program)?;
    let wanted = x.data.iter().zip(&y.data).map(|(x, y)| 0.5 * x + y);
    let worst = found.data.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max);
    println!("{} numbers, at most {worst:.1e} from f64", found.data.len());
    assert!(worst < 1e-6, "the kernel is wrong on this adapter");
    Ok(())
}
