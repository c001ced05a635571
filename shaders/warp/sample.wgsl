// y[n][h][w] = (v − mean) / deviation in three equal channels, v = film n at (h, w) of its view
//
// pixels is [N, H, W] without padding, y [N, H, W, 3]. The film is flipped, then rotated about its
// centre, then shifted; so a pixel of y looks back along the shift, the rotation and the flip, and
// interpolates between four pixels. What lies outside the film is 0, as torchvision fills it.
// Without flip, rotation and shift it looks exactly at its own pixel. One thread per pixel.

#import grid
#import rotation

struct Params { samples: u32, height: u32, width: u32, mean: f32, deviation: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> pixels: array<f32>;
@group(0) @binding(1) var<storage, read> views: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn pixel(n: u32, at: vec2i) -> f32 {
    let last = vec2i(i32(p.width), i32(p.height)) - 1;
    let near = vec2u(clamp(at, vec2i(0), last));
    return select(0.0, pixels[(n * p.height + near.y) * p.width + near.x], all(vec2i(near) == at));
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let n = i / p.width / p.height;
    if n >= p.samples {
        return;
    }
    let size = vec2f(f32(p.width), f32(p.height));
    let here = vec2f(f32(i % p.width), f32(i / p.width % p.height));
    let at = seen(views[n], size, here);
    let corner = floor(at);
    let share = at - corner;
    let first = vec2i(corner);
    let above = mix(pixel(n, first), pixel(n, first + vec2i(1, 0)), share.x);
    let below = mix(pixel(n, first + vec2i(0, 1)), pixel(n, first + vec2i(1, 1)), share.x);
    let z = (mix(above, below, share.y) - p.mean) / p.deviation;
    y[i] = vec4f(z, z, z, 0.0);
}
