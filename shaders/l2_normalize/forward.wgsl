// y[n,d] = x[n,d] / max(|x[n]|, eps)
//
// x and y are [N, D]. LANES threads share a row; each reads its part of x twice.

#import grid
#import teams

const LANES: u32 = 8u;

struct Params {
    rows: u32, // N
    quads: u32,
    eps: f32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let row = group_of(group, groups) * (256u / LANES) + lane / LANES;
    let base = row * p.quads;
    let end = select(0u, p.quads, row < p.rows);
    var squares = 0.0;
    for (var i = lane % LANES; i < end; i += LANES) {
        squares += dot(x[base + i], x[base + i]);
    }
    let norm = sqrt(sum_of_team(lane, vec4f(squares)).x);
    let length = max(norm, p.eps);
    for (var i = lane % LANES; i < end; i += LANES) {
        y[base + i] = x[base + i] / length;
    }
}
