// logits[j][n] = q[n] · queue[j] / τ
//
// As in logits.wgsl, for devices on which a load costs as much as dozens of multiply-adds.
// Eight lanes hold 128 channels of 8 queries and walk over a chunk of keys: four loads bring a key
// and feed 128 multiply-adds a lane. Then the sums are added across the lanes, and each lane writes
// the logit of one query. More channels come in further rounds, added to the first.
// Workgroups: x chunks of keys, y blocks of 8 queries.

struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> queue: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;

// Four vec4 of each of 8 queries.
var<private> a: array<vec4f, 32>;

// The lane's part of the product of a key with the query that a[at ..] belongs to.
fn product(at: u32, b: array<vec4f, 4>) -> f32 {
    return dot(a[at], b[0]) + dot(a[at + 1u], b[1]) + dot(a[at + 2u], b[2]) + dot(a[at + 3u], b[3]);
}

// The one of two sums that the lane's bit names, with the other lane's part of it.
fn halve(zero: f32, one: f32, lane: u32, bit: u32) -> f32 {
    let mine = (lane & bit) != 0u;
    return select(zero, one, mine) + subgroupShuffleXor(select(one, zero, mine), bit);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n = group.y * 8u;
    let first = group.x * p.chunk;
    let stride = (p.queries + 3u) / 4u * 4u;
    for (var block = 0u; block < p.quads; block += 32u) {
        let c = vec4u(block + lane) + vec4u(0u, 8u, 16u, 24u);
        let column = min(c, vec4u(p.quads - 1u));
        for (var i = 0u; i < 32u; i += 1u) {
            let row = min(n + i / 4u, p.queries - 1u);
            let inside = n + i / 4u < p.queries && c[i % 4u] < p.quads;
            a[i] = select(vec4f(), q[row * p.quads + column[i % 4u]], inside);
        }
        for (var j = first; j < min(first + p.chunk, p.keys); j += 1u) {
            let at = column + vec4u(j * p.quads);
            let b = array<vec4f, 4>(queue[at.x], queue[at.y], queue[at.z], queue[at.w]);
            let pair0 = halve(product(0u, b), product(4u, b), lane, 1u);
            let pair1 = halve(product(8u, b), product(12u, b), lane, 1u);
            let pair2 = halve(product(16u, b), product(20u, b), lane, 1u);
            let pair3 = halve(product(24u, b), product(28u, b), lane, 1u);
            let four0 = halve(pair0, pair1, lane, 2u);
            let four1 = halve(pair2, pair3, lane, 2u);
            var logit = p.scale * halve(four0, four1, lane, 4u);
            if n + lane < stride {
                if block > 0u {
                    logit += logits[j * stride + n + lane];
                }
                logits[j * stride + n + lane] = logit;
            }
        }
    }
}
