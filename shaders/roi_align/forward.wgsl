// y[r][p][q][c] = mean over bin (p, q) of roi r of x at its samples, interpolated bilinearly
//
// x is one map [N, H, W, C], rois [N, K, 4] in pixels of the image, levels [N, K], y [N·K, P, Q, C].
// A sample more than a pixel outside the map counts as 0; one less far outside as the nearest edge.
// The launch makes the rois whose level is its own; that of map 0 also makes the zeros of the rois
// that have none. One thread per four channels of a bin.

#import grid

const RATIO: u32 = 2u;
const HALF: u32 = 0u;
#import samples

struct Params {
    total: u32, // N·K·P·Q·quads
    rois: u32,  // K
    height: u32, // H
    width: u32, // W
    scale: f32, // pixels of the map in one of the image
    level: u32, // number of the map
    levels: u32, // number of maps
    out_height: u32, // P
    out_width: u32, // Q
    quads: u32, // along C
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> rois: array<vec4f>;
@group(0) @binding(2) var<storage, read> levels: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

// x between pixels, `at` (x, y) on the map.
fn bilinear(base: u32, at: vec2f) -> vec4f {
    let last = vec2f(f32(p.width), f32(p.height)) - 1.0;
    let near = clamp(at, vec2f(), last);
    let corner = floor(near);
    let share = near - corner;
    let a = vec2u(corner);
    let b = min(a + 1u, vec2u(last));
    let above = mix(
        x[base + (a.y * p.width + a.x) * p.quads],
        x[base + (a.y * p.width + b.x) * p.quads],
        share.x,
    );
    let below = mix(
        x[base + (b.y * p.width + a.x) * p.quads],
        x[base + (b.y * p.width + b.x) * p.quads],
        share.x,
    );
    return mix(above, below, share.y);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let bin = vec2u(i / p.quads % p.out_width, i / p.quads / p.out_width % p.out_height);
    let r = i / p.quads / p.out_width / p.out_height;
    let image = r / p.rois;
    let level = levels[image * ((p.rois + 3u) / 4u * 4u) + r % p.rois];
    if level != f32(p.level) {
        if p.level == 0u && (level < 0.0 || level >= f32(p.levels)) {
            y[i] = vec4f();
        }
        return;
    }
    let s = samples_of(rois[r], p.scale, vec2f(f32(p.out_width), f32(p.out_height)));
    let base = image * p.height * p.width * p.quads + i % p.quads;
    let end = vec2f(f32(p.width), f32(p.height));
    var sum = vec4f();
    for (var v = 0u; v < s.count.y; v += 1u) {
        for (var u = 0u; u < s.count.x; u += 1u) {
            let at = s.origin + (vec2f(bin * s.count + vec2u(u, v)) + 0.5) * s.step;
            if all(at >= vec2f(-1.0)) && all(at <= end) {
                sum += bilinear(base, at);
            }
        }
    }
    y[i] = sum / f32(max(s.count.x * s.count.y, 1u));
}
