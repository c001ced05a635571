// y[r, k] = box k of row r, clipped to its film; kept[r, k] = its score
//
// A candidate whose score is not above `least`, that is not finite, or one of whose sides is then below `side` is none: its
// box becomes zeros and its score LOWEST. boxes and y are [R, K, 4], scores and kept [R, K], extents
// [N, 2] the width and height of the films; rows r·N/R … belong to a film. Without CLIPPED boxes are left as
// they are and `extents` holds anything. One thread per box, padding of scores included.

#import finite
#import grid

const CLIPPED: u32 = 1u;
// Score of no candidate.
const LOWEST: f32 = -3.4028234e38;

struct Params {
    rows: u32,      // R
    boxes: u32,     // K
    box_quads: u32,
    of_image: u32,   // rows
    least: f32,
    side: f32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> boxes: array<vec4f>;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> extents: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let place = element(id, groups);
    let row = place / (4u * p.box_quads);
    let k = place % (4u * p.box_quads);
    if row >= p.rows {
        return;
    }
    if k >= p.boxes {
        kept[place] = 0.0;
        return;
    }
    var box = boxes[row * p.boxes + k];
    let finite = all(is_finite(box));
    if CLIPPED == 1u {
        box = clamp(box, vec4f(), extents[row / p.of_image].xyxy);
    }
    let stays = finite && scores[place] > p.least && all(box.zw - box.xy >= vec2f(p.side));
    y[row * p.boxes + k] = select(vec4f(), box, stays);
    kept[place] = select(LOWEST, scores[place], stays);
}
