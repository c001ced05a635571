// grad_x = dloss · ∂loss/∂p · p·(1 − p), with ∂loss/∂p from the slopes of merge.wgsl: a − t·b of the foreground,
// less a' − (1 − t)·b' of the background, whose probability falls as p rises
//
// x, t and grad_x are [items·pixels, 1], slopes is [items, 4] of (a, b, a', b'), dloss is [1]. One thread
// per pixel.

#import grid
#import sigmoid

struct Params {
    total: u32, // items·pixels
    pixels: u32, // of one item
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> targets: array<vec4f>;
@group(0) @binding(2) var<storage, read> slopes: array<vec4f>;
@group(0) @binding(3) var<storage, read> dloss: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> grad_x: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let slope = slopes[i / p.pixels];
    let s = sigmoid(x[i].x);
    let t = targets[i].x;
    let of_front = slope.x - t * slope.y;
    let of_back = slope.z - (1.0 - t) * slope.w;
    grad_x[i] = vec4f(dloss[0].x * (of_front - of_back) * s.x * s.y, 0.0, 0.0, 0.0);
}
