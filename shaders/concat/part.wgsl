// y[r, first + c] = x[r, c]: one input's place in a concatenation along channels
//
// x is [R, C], y is [R, all channels]. A quad of y may hold channels of several inputs: SHIFT of its
// first channels belong to those before, whose launches came earlier and are kept; what lies behind
// x's last channel is x's padding, zeros, until the next input's launch. One thread per quad of y
// that x reaches.

#import grid

const SHIFT: u32 = 0u; // channels of the first quad that belong to the inputs before

struct Params {
    total: u32, // R·reached
    reached: u32, // quads of y that x reaches
    x_quads: u32,
    y_quads: u32,
    first: u32, // the first of them
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
    let row = i / p.reached;
    let quad = i % p.reached;
    let to = row * p.y_quads + p.first + quad;
    let base = row * p.x_quads;
    if SHIFT == 0u {
        y[to] = x[base + quad];
        return;
    }
    // The end of x's quad before, or what the inputs before have written; then this quad.
    var before: vec4f;
    if quad > 0u {
        before = x[base + quad - 1u];
    } else {
        let kept = y[to];
        before = select(select(kept.xxxx, kept.xyxy, SHIFT == 2u), kept.xxyz, SHIFT == 3u);
    }
    let here = select(vec4f(), x[base + min(quad, p.x_quads - 1u)], quad < p.x_quads);
    if SHIFT == 1u {
        y[to] = vec4f(before.w, here.xyz);
    } else if SHIFT == 2u {
        y[to] = vec4f(before.zw, here.xy);
    } else {
        y[to] = vec4f(before.yzw, here.x);
    }
}
