// y = max(0, x); NaN stays NaN
//
// One thread per four elements.

#import grid

struct Params { quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.quads {
        // NaN fails every comparison and so passes, as in PyTorch: a loss shall show what went wrong below.
        y[i] = select(x[i], vec4f(), x[i] <= vec4f());
    }
}
