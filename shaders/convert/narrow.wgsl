// y = x, f32 as f16; what is beyond the largest f16 becomes infinite. A thread takes four times four numbers.

#import grid
#import quads
#import values

struct Params { quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> y: array<Values>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = group_of(group, groups) * 1024u + lane;
    for (var i = first; i < min(first + 1024u, p.quads); i += 256u) {
        y[i] = stored(quad(x[i]));
    }
}
