// y[n][h][w] = mask n at the pixel nearest to what its view shows at (h, w), 0 outside the film
//
// mask is [N, stride] with H·W numbers a film, views as draw.wgsl makes them, y [N, H, W, 1]. One
// thread per pixel.

#import grid
#import rotation

struct Params { samples: u32, height: u32, width: u32, stride: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> mask: array<f32>;
@group(0) @binding(1) var<storage, read> views: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let n = i / p.width / p.height;
    if n >= p.samples {
        return;
    }
    let size = vec2f(f32(p.width), f32(p.height));
    let here = vec2f(f32(i % p.width), f32(i / p.width % p.height));
    let at = floor(seen(views[n], size, here) + 0.5);
    let near = vec2u(clamp(at, vec2f(), size - 1.0));
    let value = mask[n * p.stride + near.y * p.width + near.x];
    y[i] = vec4f(select(0.0, value, all(vec2f(near) == at)), 0.0, 0.0, 0.0);
}
