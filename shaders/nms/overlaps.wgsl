// overlaps[r][i], bit j: whether box i, if it stays, suppresses box j of the same row (j > i)
//
// that is, whether their intersection over union is above the threshold and, if there are classes,
// whether they are of one class. boxes is [R, K, 4], classes [R, K], overlaps [R, K, words] of 32 bits.
// One thread per word; words that hold only j ≤ i are not written, for nobody reads them.

#import boxes
#import grid

const CLASSED: u32 = 1u; // 0: `classes` holds anything

struct Params {
    total: u32, // R·K·words
    count: u32, // K
    words: u32, // ⌈K / 32⌉
    threshold: f32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> boxes: array<vec4f>;
@group(0) @binding(1) var<storage, read> classes: array<f32>;
@group(0) @binding(2) var<storage, read_write> overlaps: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let at = element(id, groups);
    if at >= p.total {
        return;
    }
    let row = at / p.words / p.count;
    let i = at / p.words % p.count;
    let begin = max(at % p.words * 32u, i + 1u);
    let end = min(at % p.words * 32u + 32u, p.count);
    if i / 32u > at % p.words {
        return;
    }
    let stride = (p.count + 3u) / 4u * 4u;
    let one = boxes[row * p.count + i];
    let class_of_one = classes[row * stride + i];
    var bits = 0u;
    for (var j = begin; j < end; j += 1u) {
        let rival = CLASSED == 0u || classes[row * stride + j] == class_of_one;
        let shares = both_and_union(one, boxes[row * p.count + j]);
        if rival && shares.x > p.threshold * shares.y && shares.x > 0.0 {
            bits |= 1u << (j % 32u);
        }
    }
    overlaps[at] = bits;
}
