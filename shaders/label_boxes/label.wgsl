// Labels of the boxes that were drawn, at places[n, s], with m the match of each:
//
//   matched[n, s]    = m, the number of its true box; −1 where there is none
//   labels[n·S + s]  = 1 + the class of that box; 0 for background (m = −1); −1 where nothing was drawn
//   weights[n·S + s] = 1 / (boxes drawn in the whole batch) where there is a true box, else 0
//
// matches is [N, A], places and matched [N, S], classes [N, G], labels and weights [N·S, 1]. One
// workgroup: it counts, then writes.

#import reduce

struct Params {
    images: u32,
    boxes: u32,        // A
    box_quads: u32,
    size: u32,         // S
    size_quads: u32,
    truths: u32,       // G
    truth_quads: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> matches: array<f32>;
@group(0) @binding(1) var<storage, read> places: array<f32>;
@group(0) @binding(2) var<storage, read> classes: array<f32>;
@group(0) @binding(3) var<storage, read_write> matched: array<f32>;
@group(0) @binding(4) var<storage, read_write> labels: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> weights: array<vec4f>;

// The match of the box drawn at a place of the padded [N, S]; −2 where there is none.
fn match_at(at: u32) -> f32 {
    let place = places[at];
    if at % (4u * p.size_quads) >= p.size || place < 0.0 || place >= f32(p.boxes) {
        return -2.0;
    }
    return matches[at / (4u * p.size_quads) * 4u * p.box_quads + u32(place)];
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    let end = p.images * 4u * p.size_quads;
    var count = 0.0;
    for (var at = lane; at < end; at += 256u) {
        count += select(0.0, 1.0, match_at(at) >= -1.0);
    }
    let share = 1.0 / max(1.0, sum_of_group(lane, vec4f(count)).x);
    for (var at = lane; at < end; at += 256u) {
        let n = at / (4u * p.size_quads);
        let s = at % (4u * p.size_quads);
        if s >= p.size {
            matched[at] = 0.0;
            continue;
        }
        let m = match_at(at);
        let truth = n * 4u * p.truth_quads + u32(clamp(m, 0.0, f32(p.truths - 1u)));
        let label = select(m + 1.0, classes[truth] + 1.0, m >= 0.0);
        matched[at] = max(m, -1.0);
        labels[n * p.size + s] = vec4f(label, 0.0, 0.0, 0.0);
        weights[n * p.size + s] = vec4f(select(0.0, share, m >= 0.0), 0.0, 0.0, 0.0);
    }
}
