// y[n,p,q,c] = max over r < R, s < S of x[n, p·stride + r − padding, q·stride + s − padding, c]
//
// x is [N, H, W, C], y is [N, P, Q, C]; what lies outside the image takes no part. `origin` says for
// every y which pixel h·W + w it came from, the first one in row-major order where several are equal. NaN is larger than all.
// One thread per four channels of y; it reads its window once.

#import finite
#import grid
#import quads
#import values

// The layer; here, the one after ResNet's stem.
const KERNEL_H: u32 = 3u; // R
const KERNEL_W: u32 = 3u; // S
const STRIDE_H: u32 = 2u;
const STRIDE_W: u32 = 2u;
const PADDING_H: u32 = 1u;
const PADDING_W: u32 = 1u;
const QUADS: u32 = 16u; // along C

struct Params {
    total: u32, // N·P·Q·QUADS
    height: u32, // H
    width: u32, // W
    out_height: u32, // P
    out_width: u32, // Q
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read_write> y: array<Values>;
@group(0) @binding(2) var<storage, read_write> origin: array<vec4u>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let pixel = i / QUADS;
    let row = pixel / p.out_width;
    let image = row / p.out_height;
    let left = (pixel - row * p.out_width) * STRIDE_W;
    let top = (row - image * p.out_height) * STRIDE_H;
    // The part of the window that lies in the image: at least one pixel, since the padding is at
    // most half the kernel.
    let h0 = max(top, PADDING_H) - PADDING_H;
    let h1 = min(top + KERNEL_H - PADDING_H, p.height);
    let w0 = max(left, PADDING_W) - PADDING_W;
    let w1 = min(left + KERNEL_W - PADDING_W, p.width);

    let base = image * p.height * p.width * QUADS + i % QUADS;
    var at = vec4u(h0 * p.width + w0);
    var best = values(x[base + at.x * QUADS]);
    for (var h = h0; h < h1; h += 1u) {
        for (var w = w0; w < w1; w += 1u) {
            let here = h * p.width + w;
            let v = values(x[base + here * QUADS]);
            // NaN, which no comparison knows, wins as in PyTorch.
            let wins = (v > best) | is_nan(v);
            at = select(at, vec4u(here), wins);
            best = select(best, v, wins);
        }
    }
    y[i] = stored(best);
    origin[i] = at;
}
