// y = the box that deltas make of a proposal, by corners; the inverse of box_encode
//
//   cx' = cx + w dx / wx     w' = w exp(min(dw / ww, most))     and so for y and height
//
// deltas and y are [A, B, 4], proposals the same or 1 long in A, in B or in both: what there is one of
// serves all. One thread per box.

#import grid

struct Params {
    boxes: u32,   // A·B
    columns: u32, // B
    // How far the next proposal lies along A and along B: 0 where there is one for all.
    stride_a: u32,
    stride_b: u32,
    wx: f32,
    wy: f32,
    ww: f32,
    wh: f32,
    most: f32, // of the logarithm of a side's growth
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> deltas: array<vec4f>;
@group(0) @binding(1) var<storage, read> proposals: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.boxes {
        return;
    }
    let at = proposals[i / p.columns * p.stride_a + i % p.columns * p.stride_b];
    let d = deltas[i] / vec4f(p.wx, p.wy, p.ww, p.wh);
    let size = at.zw - at.xy;
    let centre = at.xy + 0.5 * size + d.xy * size;
    let half = 0.5 * exp(min(d.zw, vec2f(p.most))) * size;
    y[i] = vec4f(centre - half, centre + half);
}
