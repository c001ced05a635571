// grad_x[n,h,w,c] = Σ dy[n,p,q,c] over the windows (p, q) whose maximum came from pixel (h, w)
//
// x is [N, H, W, C], dy is [N, P, Q, C]; `origin` is the pixel h·W + w that each y came from.
// One thread per four channels of grad_x: it looks at every window that contains its pixel, in order,
// so no two threads add to the same place and the sum is always the same.

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
    total: u32, // N·H·W·QUADS
    height: u32, // H
    width: u32, // W
    out_height: u32, // P
    out_width: u32, // Q
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> origin: array<vec4u>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<Values>;

// The windows along one axis that contain the coordinate `at`: from .x up to but not .y.
fn windows(at: u32, kernel: u32, stride: u32, padding: u32, count: u32) -> vec2u {
    let end = at + padding + 1u;
    let first = (max(end, kernel) - kernel + stride - 1u) / stride;
    return vec2u(first, min((end - 1u) / stride + 1u, count));
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let pixel = i / QUADS;
    let row = pixel / p.width;
    let image = row / p.height;
    let w = pixel - row * p.width;
    let h = row - image * p.height;
    let rows = windows(h, KERNEL_H, STRIDE_H, PADDING_H, p.out_height);
    let columns = windows(w, KERNEL_W, STRIDE_W, PADDING_W, p.out_width);

    let here = vec4u(h * p.width + w);
    let base = image * p.out_height * p.out_width * QUADS + i % QUADS;
    var sum = vec4f();
    for (var r = rows.x; r < rows.y; r += 1u) {
        for (var c = columns.x; c < columns.y; c += 1u) {
            let j = base + (r * p.out_width + c) * QUADS;
            sum += select(vec4f(), values(dy[j]), origin[j] == here);
        }
    }
    grad_x[i] = stored(sum);
}
