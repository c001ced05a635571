// best[n, g] = the largest overlap of true box g of image n with any of its boxes
//
// boxes is [A, 4] for all images or [N, A, 4], corners [N, G, 4], best [N, G]. One workgroup per true
// box, padding included: there, and where the class is below 0, best is 0. Cost: N·G·A overlaps.

#import boxes
#import grid

struct Params {
    images: u32,
    boxes: u32,      // A
    stride: u32,     // boxes from image to image: 0 if they are shared
    truths: u32,     // G
    truth_quads: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> boxes: array<vec4f>;
@group(0) @binding(1) var<storage, read> corners: array<vec4f>;
@group(0) @binding(2) var<storage, read> classes: array<f32>;
@group(0) @binding(3) var<storage, read_write> best: array<f32>;

var<workgroup> of_lane: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let padded = 4u * p.truth_quads;
    let place = group_of(group, groups);
    let n = place / padded;
    let g = place % padded;
    let used = n < p.images && g < p.truths;
    var most = 0.0;
    if used && classes[min(place, p.images * padded - 1u)] >= 0.0 {
        let truth = corners[n * p.truths + g];
        // Four boxes a trip, which are read together.
        for (var first = lane; first < p.boxes; first += 1024u) {
            for (var i = 0u; i < 4u; i += 1u) {
                let at = min(first + 256u * i, p.boxes - 1u);
                most = max(most, iou(truth, boxes[n * p.stride + at]));
            }
        }
    }
    of_lane[lane] = most;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if lane < half {
            of_lane[lane] = max(of_lane[lane], of_lane[lane + half]);
        }
        workgroupBarrier();
    }
    if lane == 0u && n < p.images {
        best[place] = of_lane[0];
    }
}
