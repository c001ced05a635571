// dq[n] = dloss / (N τ) · σ(d_n) · (Σ_t partial[t][n] − k[n])
//
// The chunks' sums are added in their order. One thread per four channels of a query.

#import grid

struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> k: array<vec4f>;
@group(0) @binding(1) var<storage, read> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> partial: array<vec4f>;
@group(0) @binding(3) var<storage, read> dloss: array<f32>;
@group(0) @binding(4) var<storage, read_write> dq: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let size = p.queries * p.quads;
    if i >= size {
        return;
    }
    var sum = -k[i];
    for (var t = 0u; t * p.chunk < p.keys; t += 1u) {
        sum += partial[t * size + i];
    }
    dq[i] = dloss[0] * p.scale / f32(p.queries) * state[i / p.quads].y * sum;
}
