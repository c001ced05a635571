// Sums of soft Dice over one part of one item's pixels, an item being an image or the batch.
// With p = σ(x), the predicted foreground, and t the wanted one:
//
//   partials[item, part, 0] = (Σ p·t, Σ p, Σ t, Σ p·(1 − t))
//   partials[item, part, 1] = (Σ (1 − p)·(1 − t), Σ (1 − p), Σ (1 − t), Σ t·(1 − p))      of the background
//
// Logits x and t are [items·pixels, 1], partials is [items, parts, 2, 4]. A workgroup takes every
// parts-th 256 pixels of its item. The background and the disagreement are summed by themselves, since
// the difference of two large sums would keep few digits of a small one; and the two halves of the disagreement apart, since
// a compiler may take p·(1 − t) + t·(1 − p) for a mixture and write p + t·((1 − p) − p).

#import reduce
#import sigmoid

struct Params {
    pixels: u32, // of one item
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> targets: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let base = group.y * p.pixels;
    var front = vec4f();
    var back = vec4f();
    for (var i = group.x * 256u + lane; i < p.pixels; i += groups.x * 256u) {
        let s = sigmoid(x[base + i].x);
        let t = targets[base + i].x;
        front += vec4f(s.x * t, s.x, t, s.x * (1.0 - t));
        back += vec4f(s.y * (1.0 - t), s.y, 1.0 - t, s.y * t);
    }
    let of_front = sum_of_group(lane, front);
    let of_back = sum_of_group(lane, back);
    if lane == 0u {
        let to = 2u * (group.y * groups.x + group.x);
        partials[to] = of_front;
        partials[to + 1u] = of_back;
    }
}
