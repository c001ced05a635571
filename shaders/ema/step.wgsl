// k ← m k + (1 − m) q, as k + (1 − m)(q − k), so that equal numbers stay equal
//
// A thread takes four times four numbers.

#import grid
#import quads

struct Params { quads: u32, rest: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read_write> k: array<Quad>;
@group(0) @binding(1) var<storage, read> q: array<Quad>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = group_of(group, groups) * 1024u + lane;
    for (var i = first; i < min(first + 1024u, p.quads); i += 256u) {
        let old = quad(k[i]);
        k[i] = packed(old + p.rest * (quad(q[i]) - old));
    }
}
