// grad_x[n,h,w,c] = Σ over p, q   share(h, p) · share(w, q) · dy[n,p,q,c]
//
// grad_x is [N, H, W, C], dy is [N, P, Q, C]. Output p lies at the fraction place / whole of
// forward.wgsl, clamped to the axis; pixel h has the share max(0, 1 − |place − h·whole| / whole) in
// it, or for nearest 1 where h·whole ≤ place < (h + 1)·whole. One thread per four channels of grad_x
// gathers the outputs in which its pixel has a share, in order: no two threads add to the same
// place, and the sum is always the same. It reads about (2·P/H)·(2·Q/W) elements of dy, nearest a
// quarter of them; where that is many, a launch takes each axis, and the other one is as long as before.

#import grid

const LINEAR: u32 = 1u; // or nearest

struct Params {
    total: u32, // N·H·W·quads
    quads: u32,
    height: u32, // H
    width: u32, // W
    out_height: u32, // P
    out_width: u32, // Q
    step_h: i32,
    first_h: i32,
    whole_h: i32,
    step_w: i32,
    first_w: i32,
    whole_w: i32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> grad_x: array<vec4f>;

// One axis: output p lies at step·p + first in units of 1 / whole of a pixel.
struct Axis {
    step: i32,
    first: i32,
    whole: i32,
    pixels: i32,
    outputs: i32,
}

// The share of pixel `at` in output `output`.
fn share(axis: Axis, at: i32, output: i32) -> f32 {
    let place = clamp(axis.step * output + axis.first, 0, (axis.pixels - 1) * axis.whole);
    let distance = place - at * axis.whole;
    if LINEAR == 0u {
        return select(0.0, 1.0, distance >= 0 && distance < axis.whole);
    }
    return max(0.0, 1.0 - f32(abs(distance)) / f32(axis.whole));
}

// The outputs in which pixel `at` may have a share: from .x up to but not .y. The first and the last
// pixel have what is clamped to them.
fn reach(axis: Axis, at: i32) -> vec2i {
    if axis.step == 0 {
        return vec2i(0, axis.outputs);
    }
    // The first whose place is above (at − 1) · whole, or for nearest not below at · whole.
    let before = (at - i32(LINEAR)) * axis.whole - axis.first;
    let low = select(0, (before + select(axis.step - 1, axis.step, LINEAR == 1u)) / axis.step, before >= 0);
    let high = ((at + 1) * axis.whole - axis.first + axis.step - 1) / axis.step;
    return vec2i(
        select(low, 0, at == 0),
        select(clamp(high, 0, axis.outputs), axis.outputs, at + 1 == axis.pixels),
    );
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let pixel = i / p.quads;
    let quad = i % p.quads;
    let row = pixel / p.width;
    let image = row / p.height;
    let h = i32(row % p.height);
    let w = i32(pixel % p.width);
    let vertical = Axis(p.step_h, p.first_h, p.whole_h, i32(p.height), i32(p.out_height));
    let horizontal = Axis(p.step_w, p.first_w, p.whole_w, i32(p.width), i32(p.out_width));
    let rows = reach(vertical, h);
    let columns = reach(horizontal, w);
    var sum = vec4f();
    for (var r = rows.x; r < rows.y; r += 1) {
        let of_row = share(vertical, h, r);
        let base = (image * p.out_height + u32(r)) * p.out_width;
        for (var c = columns.x; c < columns.y; c += 1) {
            sum += of_row * share(horizontal, w, c) * dy[(base + u32(c)) * p.quads + quad];
        }
    }
    grad_x[i] = sum;
}
