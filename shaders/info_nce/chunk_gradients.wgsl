// partial[t][n] = Σ_j exp(logits[j][n] − log Σ exp(logits[·][n])) · queue[j]  over chunk t's keys
//
// queue is [K, D], partial [chunks, N, D]. One thread per chunk, four queries and four channels.
// Cost: 2NKD flop.

#import grid

struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> logits: array<vec4f>;
@group(0) @binding(1) var<storage, read> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> queue: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let width = (p.queries + 3u) / 4u;
    let c = i % p.quads;
    let quad = i / p.quads % width;
    let t = i / p.quads / width;
    let first = t * p.chunk;
    if first >= p.keys {
        return;
    }
    let n = vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u);
    let query = min(n, vec4u(p.queries - 1u));
    let total = vec4f(state[query.x].x, state[query.y].x, state[query.z].x, state[query.w].x);
    var sum = array<vec4f, 4>();
    for (var j = first; j < min(first + p.chunk, p.keys); j += 1u) {
        let weight = exp(logits[j * width + quad] - total);
        let key = queue[j * p.quads + c];
        sum[0] += weight.x * key;
        sum[1] += weight.y * key;
        sum[2] += weight.z * key;
        sum[3] += weight.w * key;
    }
    for (var m = 0u; m < 4u; m += 1u) {
        if n[m] < p.queries {
            partial[(t * p.queries + n[m]) * p.quads + c] = sum[m];
        }
    }
}
