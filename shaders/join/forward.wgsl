// y[n, at + i] = number i of image n's part, its channels one after the other without padding
//
// x is [N, …, C], a part of y [N, total]. One thread per number, and of the last part also for what
// pads a row of y: `span` counts them.

#import grid

struct Params {
    images: u32,
    numbers: u32,  // of an image's part
    span: u32,     // numbers, and the padding behind them
    channels: u32,
    x_quads: u32,
    y_quads: u32,
    at: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let thread = element(id, groups);
    let n = thread / p.span;
    let i = thread % p.span;
    if n >= p.images {
        return;
    }
    var v = 0.0;
    if i < p.numbers {
        let row = n * (p.numbers / p.channels) + i / p.channels;
        v = x[row * 4u * p.x_quads + i % p.channels];
    }
    y[n * 4u * p.y_quads + p.at + i] = v;
}
