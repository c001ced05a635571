// k ← m k + (1 − m) q, as k + (1 − m)(q − k), so that equal numbers stay equal
//
// One thread per four numbers.

#import grid

struct Params { quads: u32, rest: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.quads {
        let old = k[i];
        k[i] = old + p.rest * (q[i] - old);
    }
}
