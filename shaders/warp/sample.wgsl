// y[n][h][w] = (v − mean) / deviation in three equal channels, v = film n at (h, w) of its view
//
// pixels is [N, H, W] without padding, y [N, H, W, 3]. The film is flipped, then rotated about its
// centre, then shifted; so a pixel of y looks back along the shift, the rotation and the flip, and
// interpolates between four pixels. What lies outside the film is 0, as torchvision fills it.
// Without flip, rotation and shift it looks exactly at its own pixel. One thread per pixel.

#import grid

struct Params { samples: u32, height: u32, width: u32, mean: f32, deviation: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> pixels: array<f32>;
@group(0) @binding(1) var<storage, read> views: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

// (cos, sin) after further quarter turns.
fn turned(r: vec2f, quarters: i32) -> vec2f {
    switch quarters & 3 {
        case 1: { return vec2f(-r.y, r.x); }
        case 2: { return -r; }
        case 3: { return vec2f(r.y, -r.x); }
        default: { return r; }
    }
}

// (cos, sin) of a number of turns. Vulkan lets its own sine be wrong by 2⁻¹¹, a fifth of a pixel at
// the edge of a film; so a series within an eighth of a turn, and quarter turns by exchange.
fn rotation(turns: f32) -> vec2f {
    let quarter = round(4.0 * turns);
    let x = (4.0 * turns - quarter) * 1.5707963267948966;
    let xx = x * x;
    let c = 1.0 + xx * (-1.0 / 2.0 + xx * (1.0 / 24.0 + xx * (-1.0 / 720.0 + xx / 40320.0)));
    let s = 1.0 + xx * (-1.0 / 6.0 + xx * (1.0 / 120.0 + xx * (-1.0 / 5040.0 + xx / 362880.0)));
    return turned(vec2f(c, x * s), i32(quarter));
}

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
    let view = views[n];
    let size = vec2f(f32(p.width), f32(p.height));
    let centre = 0.5 * (size - 1.0);
    let here = vec2f(f32(i % p.width), f32(i / p.width % p.height));
    let d = here - centre - view.zw * size;
    let r = rotation(view.y);
    let at = centre + vec2f(view.x * (r.x * d.x - r.y * d.y), r.y * d.x + r.x * d.y);
    let corner = floor(at);
    let share = at - corner;
    let first = vec2i(corner);
    let above = mix(pixel(n, first), pixel(n, first + vec2i(1, 0)), share.x);
    let below = mix(pixel(n, first + vec2i(0, 1)), pixel(n, first + vec2i(1, 1)), share.x);
    let z = (mix(above, below, share.y) - p.mean) / p.deviation;
    y[i] = vec4f(z, z, z, 0.0);
}
