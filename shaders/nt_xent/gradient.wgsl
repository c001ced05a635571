// dz[i] = 1/τ Σ_j (g[i][j] + g[j][i]) z[j]
//
// g is the gradient of the logits [2N, 2N], z [2N, D] of unit length: each logit is of two rows of z.
// One thread per four channels of a row. Cost: 3 (2N)² D flop.

#import grid

struct Params { rows: u32, quads: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> z: array<vec4f>;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> dz: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let t = element(id, groups);
    let i = t / p.quads;
    if i >= p.rows {
        return;
    }
    let stride = (p.rows + 3u) / 4u * 4u;
    var sum = vec4f();
    for (var j = 0u; j < p.rows; j += 1u) {
        sum += (g[i * stride + j] + g[j * stride + i]) * z[j * p.quads + t % p.quads];
    }
    dz[t] = p.scale * sum;
}
