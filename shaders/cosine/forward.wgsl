// y[n][m] = a[n] · b[m] / (max(|a[n]|, ε) · max(|b[m]|, ε))
//
// a is [N, D], b [M, D], y [N, M]. One thread per four rows of a and four rows of b, so that eight
// loads serve sixteen products. Cost: 2NMD flop and the lengths.

#import grid

struct Params { rows: u32, columns: u32, quads: u32, eps: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let width = (p.columns + 3u) / 4u;
    let n = vec4u(i / width * 4u) + vec4u(0u, 1u, 2u, 3u);
    let m = vec4u(i % width * 4u) + vec4u(0u, 1u, 2u, 3u);
    if n.x >= p.rows {
        return;
    }
    let from_a = min(n, vec4u(p.rows - 1u)) * p.quads;
    let from_b = min(m, vec4u(p.columns - 1u)) * p.quads;
    var sum = array<vec4f, 4>();
    var square_a = vec4f();
    var square_b = vec4f();
    for (var c = 0u; c < p.quads; c += 1u) {
        let v = mat4x4f(a[from_a.x + c], a[from_a.y + c], a[from_a.z + c], a[from_a.w + c]);
        let w = mat4x4f(b[from_b.x + c], b[from_b.y + c], b[from_b.z + c], b[from_b.w + c]);
        sum[0] += v[0] * w;
        sum[1] += v[1] * w;
        sum[2] += v[2] * w;
        sum[3] += v[3] * w;
        square_a += vec4f(dot(v[0], v[0]), dot(v[1], v[1]), dot(v[2], v[2]), dot(v[3], v[3]));
        square_b += vec4f(dot(w[0], w[0]), dot(w[1], w[1]), dot(w[2], w[2]), dot(w[3], w[3]));
    }
    let length_a = max(sqrt(square_a), vec4f(p.eps));
    let length_b = max(sqrt(square_b), vec4f(p.eps));
    for (var r = 0u; r < 4u; r += 1u) {
        if n[r] < p.rows {
            let cosine = sum[r] / length_a[r] / length_b;
            y[n[r] * width + i % width] = select(vec4f(), cosine, m < vec4u(p.columns));
        }
    }
}
