// Picks the k largest numbers of every row, in no order, for rows longer than a workgroup can sort.
//
// The k-th largest key is found digit by digit, the highest first: a histogram of the digit among
// the keys that agree in the digits before, then the digit in which the k-th one lies. Then each
// thread walks over its part of the row, and takes what is above that key and, from the row's
// beginning on, as many of those equal to it as are still wanted.
//
// x is [R, …, C] as in short.wgsl, candidates [R, 2, WIDTH]: keys, then places in the row; what is
// left over has key 0. One workgroup per row. Cost: five reads of x.

#import grid
#import ranking

const WIDTH: u32 = 1024u; // room for candidates, at least k
const BINS: u32 = 2048u;
const FIRST: u32 = 21u; // shift of the highest digit

struct Params {
    rows: u32,     // R
    count: u32,    // numbers in a row
    channels: u32, // C
    quads: u32,    // along C
    k: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> candidates: array<u32>;

var<workgroup> bins: array<atomic<u32>, BINS>;
// Per thread: how many of its keys are (above, equal to) the one found; first, a sum of its bins.
var<workgroup> counts: array<vec2u, 256>;
var<workgroup> digits: u32; // of the k-th key, as far as they are known
var<workgroup> wanted: u32; // of the keys that begin with these digits
var<workgroup> taken: u32; // k, or fewer where the row has fewer candidates

// The keys of four numbers; 0 for those that only fill up the last axis, and from `end` on.
fn keys_at(row: u32, i: u32, end: u32) -> vec4u {
    let v = x[row * (p.count / p.channels) * p.quads + min(i, end - 1u)];
    let c = 4u * (i % p.quads) + vec4u(0u, 1u, 2u, 3u);
    let key = vec4u(key_of(v.x), key_of(v.y), key_of(v.z), key_of(v.w));
    return select(vec4u(), key, c < vec4u(select(0u, p.channels, i < end)));
}

// Adds to every thread's counts those of the threads before it. Every thread of the workgroup must call it.
fn add_up(lane: u32) {
    for (var step = 1u; step < 256u; step *= 2u) {
        workgroupBarrier();
        let before = select(vec2u(), counts[max(lane, step) - step], lane >= step);
        workgroupBarrier();
        counts[lane] += before;
    }
    workgroupBarrier();
}

// Appends a digit of `width` bits at `shift` to the digits that are known.
fn refine(lane: u32, row: u32, shift: u32, width: u32) {
    for (var b = lane; b < BINS; b += 256u) {
        atomicStore(&bins[b], 0u);
    }
    workgroupBarrier();
    let known = digits;
    let length = p.count / p.channels * p.quads;
    for (var first = lane; first < length; first += 1024u) {
        for (var i = 0u; i < 4u; i += 1u) {
            let key = keys_at(row, first + 256u * i, length);
            for (var c = 0u; c < 4u; c += 1u) {
                // Two shifts, since one by 32 bits would be none.
                let before = (key[c] >> shift) >> width;
                if key[c] > 0u && before == known {
                    atomicAdd(&bins[(key[c] >> shift) % (1u << width)], 1u);
                }
            }
        }
    }
    workgroupBarrier();
    // From the highest bin down, eight a thread: the one in which the last wanted key lies.
    let highest = BINS - 1u - 8u * lane;
    var own = 0u;
    for (var b = 0u; b < 8u; b += 1u) {
        own += atomicLoad(&bins[highest - b]);
    }
    counts[lane] = vec2u(own, 0u);
    add_up(lane);
    if lane == 0u && shift == FIRST {
        taken = min(p.k, counts[255].x);
        wanted = taken;
    }
    workgroupBarrier();
    let before = counts[lane].x - own;
    let all = wanted;
    workgroupBarrier();
    if before < all && all <= before + own {
        var left = all - before;
        var b = highest;
        for (var i = 0u; i < 7u; i += 1u) {
            let here = atomicLoad(&bins[b]);
            if here >= left {
                break;
            }
            left -= here;
            b -= 1u;
        }
        digits = (known << width) | b;
        wanted = left;
    }
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let row = group_of(group, groups);
    if row >= p.rows {
        return;
    }
    if lane == 0u {
        digits = 0u;
    }
    workgroupBarrier();
    refine(lane, row, FIRST, 11u);
    refine(lane, row, 10u, 11u);
    refine(lane, row, 0u, 10u);

    let last = digits;
    let length = p.count / p.channels * p.quads;
    let part = (length + 255u) / 256u;
    let begin = min(lane * part, length);
    let end = min(begin + part, length);
    var mine = vec2u();
    for (var first = begin; first < end; first += 4u) {
        for (var i = 0u; i < 4u; i += 1u) {
            let key = keys_at(row, first + i, end);
            for (var c = 0u; c < 4u; c += 1u) {
                mine += select(vec2u(), vec2u(1u), vec2<bool>(key[c] > last, key[c] == last));
            }
        }
    }
    counts[lane] = mine;
    add_up(lane);
    var before = counts[lane] - mine; // those of the threads below
    let base = 2u * row * WIDTH;
    let above = taken - wanted;
    for (var first = begin; first < end; first += 4u) {
        for (var j = 0u; j < 4u; j += 1u) {
            let i = first + j;
            let key = keys_at(row, i, end);
            for (var c = 0u; c < 4u; c += 1u) {
                let is_above = key[c] > last;
                let is_last = key[c] == last && before.y < wanted;
                if is_above || is_last {
                    let at = base + select(above + before.y, before.x, is_above);
                    candidates[at] = key[c];
                    candidates[at + WIDTH] = i / p.quads * p.channels + 4u * (i % p.quads) + c;
                }
                before += select(vec2u(), vec2u(1u), vec2<bool>(is_above, is_last));
            }
        }
    }
    for (var i = taken + lane; i < WIDTH; i += 256u) {
        candidates[base + i] = 0u;
        candidates[base + WIDTH + i] = 0u;
    }
}
