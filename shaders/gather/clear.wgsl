// grad_x = 0, before scatter.wgsl adds the rows that were taken
//
// One thread per four numbers.

#import grid

struct Params { quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read_write> grad_x: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.quads {
        grad_x[i] = vec4f();
    }
}
