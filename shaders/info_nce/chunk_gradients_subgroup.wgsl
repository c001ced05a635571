// partial[t][n] = Σ_j exp(logits[j][n] − log Σ exp(logits[·][n])) · queue[j]  over chunk t's keys
//
// As in chunk_gradients.wgsl, for devices on which a load costs as much as dozens of multiply-adds.
// Eight lanes take 8 queries and 128 channels: a lane loads one query's logit and four vec4 of the
// key, the lanes hand the weights round, and five loads feed 128 multiply-adds.
// Workgroups: x chunks, y blocks of 8 queries, z blocks of 32 vec4.

struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> queue: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;

// Four vec4 of each of 8 queries.
var<private> sum: array<vec4f, 32>;

// Adds a key, of which the lane holds b, to the query that sum[at ..] belongs to.
fn add(at: u32, weight: f32, b: array<vec4f, 4>) {
    sum[at] += weight * b[0];
    sum[at + 1u] += weight * b[1];
    sum[at + 2u] += weight * b[2];
    sum[at + 3u] += weight * b[3];
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n = group.y * 8u;
    let query = min(n + lane, p.queries - 1u);
    let total = state[query].x;
    let c = vec4u(group.z * 32u + lane) + vec4u(0u, 8u, 16u, 24u);
    let column = min(c, vec4u(p.quads - 1u));
    let stride = (p.queries + 3u) / 4u * 4u;
    let first = group.x * p.chunk;
    for (var j = first; j < min(first + p.chunk, p.keys); j += 1u) {
        let weight = exp(logits[j * stride + query] - total);
        let at = column + vec4u(j * p.quads);
        let b = array<vec4f, 4>(queue[at.x], queue[at.y], queue[at.z], queue[at.w]);
        add(0u, subgroupBroadcast(weight, 0u), b);
        add(4u, subgroupBroadcast(weight, 1u), b);
        add(8u, subgroupBroadcast(weight, 2u), b);
        add(12u, subgroupBroadcast(weight, 3u), b);
        add(16u, subgroupBroadcast(weight, 4u), b);
        add(20u, subgroupBroadcast(weight, 5u), b);
        add(24u, subgroupBroadcast(weight, 6u), b);
        add(28u, subgroupBroadcast(weight, 7u), b);
    }
    for (var i = 0u; i < 32u; i += 1u) {
        let row = n + i / 4u;
        let quad = c[i % 4u];
        if row < p.queries && quad < p.quads {
            partial[(group.x * p.queries + row) * p.quads + quad] = sum[i];
        }
    }
}
