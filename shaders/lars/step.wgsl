// v ← μ v + r (g + λ w),  w ← w − lr · v, with the rate r and the decay λ of each tensor
//
// stretches as in norms.wgsl, rates as rates.wgsl makes them. One workgroup per stretch.

#import grid
#import step

struct Params { stretches: u32, momentum: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(3) var<storage, read> stretches: array<vec4u>;
@group(0) @binding(4) var<storage, read> rates: array<vec4f>;
@group(0) @binding(5) var<storage, read> now: Step;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let s = group_of(group, groups);
    if s >= p.stretches || now.skip == 1u {
        return;
    }
    let stretch = stretches[s];
    let rate = rates[stretch.z];
    for (var i = stretch.x + lane; i < stretch.x + stretch.y; i += 256u) {
        let velocity = p.momentum * v[i] + rate.x * (g[i] + rate.y * w[i]);
        v[i] = velocity;
        w[i] -= now.lr * velocity;
    }
}
