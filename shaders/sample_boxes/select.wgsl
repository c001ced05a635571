// A random subset of the boxes of each image: at most `positives` of those with a match (m ≥ 0), then
// background (m = −1) until there are `size`, as torchvision's BalancedPositiveNegativeSampler.
//
//   chosen[n, i]  = 1 a match that was drawn, 0 background that was drawn, −1 anything else
//   places[n, j]  = the number of the j-th box drawn, rising; −1 behind the last
//
// Every box has a key of 32 random bits, a pure function of (seed, step, stage, stream, n, i). The
// boxes with the least keys are drawn, of equal keys the first: a uniformly random subset of exactly
// the size wanted. The k-th least key of each kind is found digit by digit, in four counts of 256 bins.
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
var<workgroup> found: array<atomic<u32>, 2>;
var<workgroup> bins: array<atomic<u32>, 512>;   // of matches, then of background
var<workgroup> prefix: array<u32, 2>;       // the digits of the k-th least key found so far, of each kind
var<workgroup> wanted: array<u32, 2>;       // of the boxes that have these digits
var<workgroup> take: array<u32, 2>;         // of each kind
var<workgroup> drawn: array<u32, 256>;      // boxes with lesser keys, of a thread; then its first place
var<workgroup> ties: array<vec2u, 256>;     // boxes whose key is the k-th least; then how many are drawn

fn keys(n: u32, quad: u32) -> vec4u {
    let key = vec2u(now.seed_low, now.seed_high);
    return philox(key, vec4u(now.step, quad, now.stage, p.stream + now.first + n));
}

// The kinds of a quad of boxes; neither from quad `end` on.
fn kinds(n: u32, quad: u32, end: u32) -> vec4u {
    let m = matches[n * p.box_quads + min(quad, p.box_quads - 1u)];
    let kind = select(select(vec4u(2u), vec4u(1u), m == vec4f(-1.0)), vec4u(), m >= vec4f());
    let box = 4u * quad + vec4u(0u, 1u, 2u, 3u);
    return select(vec4u(2u), kind, box < vec4u(select(0u, p.boxes, quad < end)));
}

// Appends a digit to the k-th least key of each kind.
fn refine(n: u32, lane: u32, digit: u32) {
    let shift = 24u - 8u * digit;
    let mask = select(0xffffffffu << ((shift + 8u) % 32u), 0u, digit == 0u);
    atomicStore(&bins[lane], 0u);
    atomicStore(&bins[lane + 256u], 0u);
    workgroupBarrier();
    let known = vec2u(prefix[0], prefix[1]);
    for (var first = lane; first < p.box_quads; first += 1024u) {
        for (var i = 0u; i < 4u; i += 1u) {
            let q = first + 256u * i;
            let kind = kinds(n, q, p.box_quads);
            let key = keys(n, q);
            for (var c = 0u; c < 4u; c += 1u) {
                if kind[c] < 2u && (key[c] & mask) == select(known.x, known.y, kind[c] == 1u) {
                    atomicAdd(&bins[256u * kind[c] + ((key[c] >> shift) & 255u)], 1u);
                }
            }
        }
    }
    workgroupBarrier();
    if digit == 0u {
        atomicAdd(&found[0], atomicLoad(&bins[lane]));
        atomicAdd(&found[1], atomicLoad(&bins[lane + 256u]));
        workgroupBarrier();
        if lane < 2u {
            let matched = min(atomicLoad(&found[0]), p.positives);
            let of_kind = select(matched, min(atomicLoad(&found[1]), p.size - matched), lane == 1u);
            take[lane] = of_kind;
            wanted[lane] = of_kind;
        }
    }
    if lane < 2u {
        var left = wanted[lane];
        var d = 0u;
        for (var i = 0u; i < 255u; i += 1u) {
            let here = atomicLoad(&bins[256u * lane + d]);
            if here >= left {
                break;
            }
            left -= here;
            d += 1u;
        }
        prefix[lane] |= d << shift;
        wanted[lane] = left;
    }
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
    let n = group.x;
    if lane < 2u {
        atomicStore(&found[lane], 0u);
        prefix[lane] = 0u;
    }
    workgroupBarrier();
    refine(n, lane, 0u);
    refine(n, lane, 1u);
    refine(n, lane, 2u);
    refine(n, lane, 3u);
    let some = vec2u(take[0], take[1]) > vec2u();
    // Of a kind of which none is wanted, none has a lesser key than 0 and none of key 0 is drawn.
    let of_last = select(vec2u(), vec2u(wanted[0], wanted[1]), some);
    let least = select(vec2u(), vec2u(prefix[0], prefix[1]), some);

    // Each thread now takes neighbouring boxes, so that places rise with the threads.
    let each = (p.box_quads + 255u) / 256u;
    let begin = lane * each;
    let end = min(begin + each, p.box_quads);
    var lesser = 0u;
    var equal = vec2u();
    for (var first = begin; first < end; first += 4u) {
        for (var i = 0u; i < 4u; i += 1u) {
            let kind = kinds(n, first + i, end);
            let key = keys(n, first + i);
            for (var c = 0u; c < 4u; c += 1u) {
                if kind[c] < 2u {
                    lesser += u32(key[c] < least[kind[c]]);
                    // Not `equal[kind[c]]`, as component.wgsl says.
                    let of_kind = vec2u(kind[c]) == vec2u(0u, 1u);
                    equal += select(vec2u(), vec2u(u32(key[c] == least[kind[c]])), of_kind);
                }
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
    for (var first = begin; first < end; first += 4u) {
        for (var i = 0u; i < 4u; i += 1u) {
            let q = first + i;
            let kind = kinds(n, q, end);
            let key = keys(n, q);
            var v = select(vec4f(), vec4f(-1.0), 4u * q + vec4u(0u, 1u, 2u, 3u) < vec4u(p.boxes));
            for (var c = 0u; c < 4u; c += 1u) {
                let k = kind[c];
                if k == 2u || key[c] > least[k] || (key[c] == least[k] && left[k] == 0u) {
                    continue;
                }
                left -= select(vec2u(), vec2u(u32(key[c] == least[k])), vec2u(k) == vec2u(0u, 1u));
                v = with_component(v, c, f32(1u - k));
                places[n * 4u * p.size_quads + place] = f32(4u * q + c);
                place += 1u;
            }
            if q < end {
                chosen[n * p.box_quads + q] = v;
            }
        }
    }
    // Behind the last place −1, in what pads the row 0.
    for (var j = take[0] + take[1] + lane; j < 4u * p.size_quads; j += 256u) {
        places[n * 4u * p.size_quads + j] = select(0.0, -1.0, j < p.size);
    }
}
