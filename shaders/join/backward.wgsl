// grad_x[n, row, c] = dy[n, at + row · C + c]
//
// grad_x is [N, …, C], a part of dy [N, total]. One thread per four channels of a row of grad_x.

#import component
#import grid

struct Params {
    rows: u32,     // of grad_x
    per_image: u32, // rows of an image
    channels: u32,
    x_quads: u32,
    y_quads: u32,
    at: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_x: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let thread = element(id, groups);
    let row = thread / p.x_quads;
    if row >= p.rows {
        return;
    }
    let n = row / p.per_image;
    let first = n * 4u * p.y_quads + p.at + row % p.per_image * p.channels;
    let c = 4u * (thread % p.x_quads);
    var v = vec4f();
    for (var i = 0u; i < 4u; i += 1u) {
        if c + i < p.channels {
            v = with_component(v, i, dy[first + c + i]);
        }
    }
    grad_x[thread] = v;
}
