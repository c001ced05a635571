// y = max(0, x); NaN stays NaN
//
// A thread takes four times four elements.

#import grid
#import quads
#import rectified

struct Params { quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> y: array<Quad>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = group_of(group, groups) * 1024u + lane;
    for (var i = first; i < min(first + 1024u, p.quads); i += 256u) {
        let v = quad(x[i]);
        y[i] = packed(rectified(v));
    }
}
