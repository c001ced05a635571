// A random subset of the boxes of each image: at most `positives` of those with a match (m ≥ 0), then
// background (m = −1) until there are `size`, as torchvision's BalancedPositiveNegativeSampler.
//
//   chosen[n, i]  = 1 a match that was drawn, 0 background that was drawn, −1 anything else
//   places[n, j]  = the number of the j-th box drawn, rising; −1 behind the last
//
// Every box has a key of 32 random bits, a pure function of (seed, step, stage, stream, n, i). The
// boxes with the least keys are drawn, of equal keys the first: a uniformly random subset of exactly
// the size wanted. The k-th least key is found digit by digit, in four counts of 256 bins.
// One workgroup an image. matches and chosen are [N, A], places is [N, size].

#import component
#import philox
#import step

struct Params {
    boxes: u32,        // A
    box_quads: u32,
    size: u32,
    size_quads: u32,
    positives: u32,
    stream: u32,       // separates the random numbers of samplers
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> now: Step;
@group(0) @binding(1) var<storage, read> matches: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> chosen: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> places: array<f32>;

// Kinds: 0 a match, 1 background, 2 neither.
var<workgroup> found: array<atomic<u32>, 3>;
var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> prefix: u32;          // the digits of the k-th least key found so far
var<workgroup> wanted: u32;          // of the boxes that have these digits
var<workgroup> drawn: array<u32, 256>;      // boxes with lesser keys, of a thread; then its first place
var<workgroup> ties: array<vec2u, 256>;     // boxes whose key is the k-th least; then how many are drawn

fn keys(n: u32, quad: u32) -> vec4u {
    let key = vec2u(now.seed_low, now.seed_high);
    return philox(key, vec4u(now.step, quad, now.stage, p.stream + now.first + n));
}

fn kinds(n: u32, quad: u32) -> vec4u {
    let m = matches[n * p.box_quads + quad];
    let kind = select(select(vec4u(2u), vec4u(1u), m == vec4f(-1.0)), vec4u(), m >= vec4f());
    let box = 4u * quad + vec4u(0u, 1u, 2u, 3u);
    return select(vec4u(2u), kind, box < vec4u(p.boxes));
}

// (the k-th least key of a kind, how many of the boxes with that very key are drawn).
fn bound(n: u32, lane: u32, kind: u32, k: u32) -> vec2u {
    if lane == 0u {
        prefix = 0u;
        wanted = k;
    }
    for (var digit = 0u; digit < 4u; digit += 1u) {
        let shift = 24u - 8u * digit;
        let mask = select(0xffffffffu << ((shift + 8u) % 32u), 0u, digit == 0u);
        atomicStore(&bins[lane], 0u);
        workgroupBarrier();
        let head = prefix;
        for (var q = lane; q < p.box_quads; q += 256u) {
            let key = keys(n, q);
            let counts = (kinds(n, q) == vec4u(kind)) & ((key & vec4u(mask)) == vec4u(head));
            for (var i = 0u; i < 4u; i += 1u) {
                if counts[i] {
                    atomicAdd(&bins[(key[i] >> shift) & 255u], 1u);
                }
            }
        }
        workgroupBarrier();
        if lane == 0u {
            var left = wanted;
            var d = 0u;
            for (; d < 255u; d += 1u) {
                let here = atomicLoad(&bins[d]);
                if here >= left {
                    break;
                }
                left -= here;
            }
            prefix |= d << shift;
            wanted = left;
        }
        workgroupBarrier();
    }
    let result = vec2u(prefix, wanted);
    workgroupBarrier();
    return result;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
    let n = group.x;
    if lane < 3u {
        atomicStore(&found[lane], 0u);
    }
    workgroupBarrier();
    for (var q = lane; q < p.box_quads; q += 256u) {
        let kind = kinds(n, q);
        for (var i = 0u; i < 4u; i += 1u) {
            atomicAdd(&found[kind[i]], 1u);
        }
    }
    workgroupBarrier();
    let counted = vec2u(atomicLoad(&found[0]), atomicLoad(&found[1]));
    let matched = min(counted.x, p.positives);
    let take = vec2u(matched, min(counted.y, p.size - matched));
    let of_matches = bound(n, lane, 0u, take.x);
    let of_background = bound(n, lane, 1u, take.y);
    let last = vec2u(of_matches.x, of_background.x);
    // Of a kind of which none is wanted, none has a lesser key than 0 and none of key 0 is drawn.
    let of_last = select(vec2u(), vec2u(of_matches.y, of_background.y), take > vec2u());
    let least = select(vec2u(), last, take > vec2u());

    // Each thread now takes neighbouring boxes, so that places rise with the threads.
    let each = (p.box_quads + 255u) / 256u;
    let begin = lane * each;
    let end = min(begin + each, p.box_quads);
    var lesser = 0u;
    var equal = vec2u();
    for (var q = begin; q < end; q += 1u) {
        let kind = kinds(n, q);
        let key = keys(n, q);
        for (var i = 0u; i < 4u; i += 1u) {
            if kind[i] < 2u {
                lesser += u32(key[i] < least[kind[i]]);
                // Not `equal[kind[i]]`, as component.wgsl says.
                let of_kind = vec2u(kind[i]) == vec2u(0u, 1u);
                equal += select(vec2u(), vec2u(u32(key[i] == least[kind[i]])), of_kind);
            }
        }
    }
    drawn[lane] = lesser;
    ties[lane] = equal;
    workgroupBarrier();
    if lane == 0u {
        var left = of_last;
        var place = 0u;
        for (var t = 0u; t < 256u; t += 1u) {
            let these = min(left, ties[t]);
            let here = drawn[t] + these.x + these.y;
            left -= these;
            ties[t] = these;
            drawn[t] = place;
            place += here;
        }
    }
    workgroupBarrier();
    var place = drawn[lane];
    var left = ties[lane];
    for (var q = begin; q < end; q += 1u) {
        let kind = kinds(n, q);
        let key = keys(n, q);
        var v = select(vec4f(), vec4f(-1.0), 4u * q + vec4u(0u, 1u, 2u, 3u) < vec4u(p.boxes));
        for (var i = 0u; i < 4u; i += 1u) {
            let k = kind[i];
            if k == 2u || key[i] > least[k] || (key[i] == least[k] && left[k] == 0u) {
                continue;
            }
            left -= select(vec2u(), vec2u(u32(key[i] == least[k])), vec2u(k) == vec2u(0u, 1u));
            v = with_component(v, i, f32(1u - k));
            places[n * 4u * p.size_quads + place] = f32(4u * q + i);
            place += 1u;
        }
        chosen[n * p.box_quads + q] = v;
    }
    // Behind the last place −1, in what pads the row 0.
    for (var j = take.x + take.y + lane; j < 4u * p.size_quads; j += 256u) {
        places[n * 4u * p.size_quads + j] = select(0.0, -1.0, j < p.size);
    }
}
