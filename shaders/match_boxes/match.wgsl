// matches[n, i] = the true box that box i of image n overlaps most, the first of equals, or
//
//   −1   the overlap is below `low`: background
//   −2   the overlap is from `low` to below `high`, or box i has no area and so is none
//
// With LOW_QUALITY a box that no other box overlaps more with some true box is matched however low the
// overlap, with the true box that it overlaps most itself, which may be another.
// boxes is [A, 4] for all images or [N, A, 4], corners [N, G, 4], classes and best [N, G], matches
// [N, A]. One thread per box, padding included. Cost: N·A·G overlaps.

#import boxes
#import grid

const LOW_QUALITY: u32 = 1u;
// Overlaps that differ by less than this factor are equal.
const NEARLY: f32 = 0.999999;

struct Params {
    images: u32,
    boxes: u32,      // A
    box_quads: u32,
    stride: u32,     // boxes from image to image: 0 if they are shared
    truths: u32,     // G
    truth_quads: u32,
    low: f32,
    high: f32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> boxes: array<vec4f>;
@group(0) @binding(1) var<storage, read> corners: array<vec4f>;
@group(0) @binding(2) var<storage, read> classes: array<f32>;
@group(0) @binding(3) var<storage, read> best: array<f32>;
@group(0) @binding(4) var<storage, read_write> matches: array<f32>;

fn matched(n: u32, box: vec4f) -> f32 {
    var most = -1.0;
    var of_most = vec2f(0.0, 1.0);
    var nearest = -1.0;
    var chosen = false;
    for (var g = 0u; g < p.truths; g += 1u) {
        let at = n * 4u * p.truth_quads + g;
        if classes[at] < 0.0 {
            continue;
        }
        let truth = corners[n * p.truths + g];
        let overlap = iou(truth, box);
        if overlap > most {
            most = overlap;
            let shares = both_and_union(truth, box);
            of_most = select(vec2f(0.0, 1.0), shares, shares.x > 0.0);
            nearest = f32(g);
        }
        // best.wgsl takes the same two boxes' overlap, and need not round it alike.
        chosen = chosen || (LOW_QUALITY == 1u && overlap >= best[at] * NEARLY);
    }
    if any(box.zw <= box.xy) {
        return -2.0;
    }
    // A threshold such as 0.3 is no f32: an overlap that is equal to it must not fall on the other side.
    let union_of_most = of_most.y * NEARLY;
    if chosen || of_most.x >= p.high * union_of_most {
        return nearest;
    }
    return select(-2.0, -1.0, most < 0.0 || of_most.x < p.low * union_of_most);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let place = element(id, groups);
    let n = place / (4u * p.box_quads);
    let i = place % (4u * p.box_quads);
    if n >= p.images {
        return;
    }
    var v = 0.0;
    if i < p.boxes {
        v = matched(n, boxes[n * p.stride + i]);
    }
    matches[place] = v;
}
