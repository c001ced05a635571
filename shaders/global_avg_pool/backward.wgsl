// grad_x[n,h,w,c] = dy[n,c] / (H·W)
//
// dy is [N, C], grad_x is [N, H, W, C]. One thread per four channels of grad_x.

#import grid

struct Params {
    total: u32, // N·H·W·quads
    quads: u32,
    pixels: u32, // H·W
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> grad_x: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.total {
        let image = i / (p.pixels * p.quads);
        grad_x[i] = dy[image * p.quads + i % p.quads] / f32(p.pixels);
    }
}
