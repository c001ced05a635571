// Gradient of L2 normalisation, with m = max(|x|, eps) and y = x / m:
//
//   grad_x = (dy − y ⟨y, dy⟩) / m   where |x| > eps: what dy has along x changes no direction
//   grad_x = dy / eps               elsewhere
//
// All are [N, D]. LANES threads share a row; each reads its part of x and dy twice.

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
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<vec4f>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let row = group_of(group, groups) * (256u / LANES) + lane / LANES;
    let base = row * p.quads;
    let end = select(0u, p.quads, row < p.rows);
    var sums = vec4f(); // (⟨x, x⟩, ⟨x, dy⟩)
    for (var i = lane % LANES; i < end; i += LANES) {
        let v = x[base + i];
        sums += vec4f(dot(v, v), dot(v, dy[base + i]), 0.0, 0.0);
    }
    sums = sum_of_team(lane, sums);
    let norm = sqrt(sums.x);
    let length = max(norm, p.eps);
    let along = select(0.0, sums.y / length, norm > p.eps); // ⟨y, dy⟩
    for (var i = lane % LANES; i < end; i += LANES) {
        grad_x[base + i] = (dy[base + i] - x[base + i] / length * along) / length;
    }
}
