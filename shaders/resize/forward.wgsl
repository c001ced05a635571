// y[n,p,q,c] = x at (h(p), w(q)), between pixels by the shares of distance
//
// x is [N, H, W, C], y is [N, P, Q, C]. Along an axis of L pixels the place of output p is the exact
// fraction clamp(step·p + first, 0, (L − 1)·whole) / whole, so that no digit is lost in the position
// however long the axis. Its whole part is a pixel, its remainder the share of the next one; nearest
// takes the pixel alone. One thread per four channels of y: four loads, or one for nearest.

#import grid

const LINEAR: u32 = 1u; // or nearest

struct Params {
    total: u32, // N·P·Q·quads
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

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let pixel = i / p.quads;
    let quad = i % p.quads;
    let row = pixel / p.out_width;
    let image = row / p.out_height;
    let last = vec2i(i32(p.height), i32(p.width)) - 1;
    let whole = vec2i(p.whole_h, p.whole_w);
    let at = vec2i(i32(row % p.out_height), i32(pixel % p.out_width));
    let place = clamp(vec2i(p.step_h, p.step_w) * at + vec2i(p.first_h, p.first_w), vec2i(), last * whole);
    let here = place / whole;

    let base = image * p.height;
    let top = (base + u32(here.x)) * p.width;
    if LINEAR == 0u {
        y[i] = x[(top + u32(here.y)) * p.quads + quad];
        return;
    }
    let share = vec2f(place - here * whole) / vec2f(whole);
    let next = min(here + 1, last);
    let bottom = (base + u32(next.x)) * p.width;
    let upper = mix(
        x[(top + u32(here.y)) * p.quads + quad],
        x[(top + u32(next.y)) * p.quads + quad],
        vec4f(share.y),
    );
    let lower = mix(
        x[(bottom + u32(here.y)) * p.quads + quad],
        x[(bottom + u32(next.y)) * p.quads + quad],
        vec4f(share.y),
    );
    y[i] = mix(upper, lower, vec4f(share.x));
}
