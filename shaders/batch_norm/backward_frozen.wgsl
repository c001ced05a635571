// dx = scale[c] · dy, where nothing of the batch moves the statistics, the weight or the bias
//
// dy, dx: [rows, C]. One thread takes four channels of a row.

#import grid

struct Params {
    total: u32, // rows · quads
    quads: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read> scale: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.total {
        dx[i] = scale[i % p.quads] * dy[i];
    }
}
