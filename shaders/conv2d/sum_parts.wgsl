// y[i] = bias[k] + Σ over parts   part[i], in the order of the parts, so that the same numbers give the same sum.
//
// One thread per four elements.

#import grid
#import quads
#import values

struct Params { quads: u32, parts: u32, y_quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> part: array<vec4f>;
@group(0) @binding(1) var<storage, read> bias: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<Values>;

const HAS_BIAS: u32 = 0u;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.quads {
        return;
    }
    var sum = vec4f();
    for (var j = 0u; j < p.parts; j += 1u) {
        sum += part[j * p.quads + i];
    }
    if HAS_BIAS == 1u {
        sum += bias[i % p.y_quads];
    }
    y[i] = stored(sum);
}
