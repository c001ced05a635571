// partials[s] = (Σ w², Σ g²) over stretch s of the parameters
//
// A stretch is a part of one tensor: stretches[s] = (its first vec4, how many, its tensor). One
// workgroup per stretch.

#import grid
#import reduce

struct Params { stretches: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> w: array<vec4f>;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> stretches: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let s = group_of(group, groups);
    if s >= p.stretches {
        return;
    }
    let stretch = stretches[s];
    var sums = vec4f();
    for (var i = stretch.x + lane; i < stretch.x + stretch.y; i += 256u) {
        sums += vec4f(dot(w[i], w[i]), dot(g[i], g[i]), 0.0, 0.0);
    }
    let total = sum_of_group(lane, sums);
    if lane == 0u {
        partials[s] = total;
    }
}
