// The loss from the sums, and the slopes that a pixel's gradient needs of its item. For one class, with
// I = Σ p·t, D = Σ p + Σ t + smooth and share = 1 / (items · classes):
//
//   loss = share · Σ over items and classes   1 − (2·I + smooth) / D = (Σ p·(1 − t) + t·(1 − p)) / D
//   ∂loss/∂p = share · ((2·I + smooth) / D² − t · 2 / D)
//
// partials is [items, parts, 2, 4] of sums.wgsl, loss is [1]; slopes, [items, 4], holds the two factors
// (1 and t) of the foreground's gradient, then of the background's, 0 where that does not count. One
// workgroup; each thread takes every 256th item and adds its parts in order.

#import reduce

const BACKGROUND: u32 = 0u; // counts as a class too

struct Params {
    items: u32,
    parts: u32,
    share: f32,
    smoothing: f32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> loss: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> slopes: array<vec4f>;

// The loss of one class of one item, and the two factors of its gradient; `apart` is what prediction and target differ by.
fn class_of(sums: vec4f, apart: f32) -> vec3f {
    let over = 2.0 * sums.x + p.smoothing;
    let under = sums.y + sums.z + p.smoothing;
    // Nothing wanted, nothing predicted, nothing smoothed: no fault, and nothing to move.
    if under == 0.0 {
        return vec3f();
    }
    return p.share * vec3f(apart / under, over / under / under, 2.0 / under);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var losses = 0.0;
    for (var item = lane; item < p.items; item += 256u) {
        var front = vec4f();
        var back = vec4f();
        for (var part = 0u; part < p.parts; part += 1u) {
            let at = 2u * (item * p.parts + part);
            front += partials[at];
            back += partials[at + 1u];
        }
        let of_front = class_of(front, front.w + back.w);
        var of_back = vec3f();
        if BACKGROUND == 1u {
            of_back = class_of(back, front.w + back.w);
        }
        losses += of_front.x + of_back.x;
        slopes[item] = vec4f(of_front.yz, of_back.yz);
    }
    let total = sum_of_group(lane, vec4f(losses, 0.0, 0.0, 0.0));
    if lane == 0u {
        loss[0] = vec4f(total.x, 0.0, 0.0, 0.0);
    }
}
