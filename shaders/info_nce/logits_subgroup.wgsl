// logits[j][n] = q[n] · queue[j] / τ
//
// As in logits.wgsl, for devices on which a load costs as much as dozens of multiply-adds.
// Eight lanes take 8 queries and 32 keys: a lane loads a vec4 of one query and of four keys, the
// lanes hand their queries round, and five loads feed 128 multiply-adds.

#import grid

struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> queue: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> logits: array<vec4f>;

// Of the lane's four keys: queries 0 to 3, queries 4 to 7.
var<private> low: array<vec4f, 4>;
var<private> high: array<vec4f, 4>;

// Adds the products of one channel: a of the lane's query, b of its four keys.
fn channel(a: f32, b: vec4f) {
    let first = vec4f(
        subgroupBroadcast(a, 0u), subgroupBroadcast(a, 1u),
        subgroupBroadcast(a, 2u), subgroupBroadcast(a, 3u),
    );
    low[0] += b.x * first;
    low[1] += b.y * first;
    low[2] += b.z * first;
    low[3] += b.w * first;
    let second = vec4f(
        subgroupBroadcast(a, 4u), subgroupBroadcast(a, 5u),
        subgroupBroadcast(a, 6u), subgroupBroadcast(a, 7u),
    );
    high[0] += b.x * second;
    high[1] += b.y * second;
    high[2] += b.z * second;
    high[3] += b.w * second;
}

// Queries from n on, zero beyond the last.
fn scaled(v: vec4f, n: u32) -> vec4f {
    return select(vec4f(), p.scale * v, vec4u(n) + vec4u(0u, 1u, 2u, 3u) < vec4u(p.queries));
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = group_of(group, groups);
    let tiles = (p.queries + 7u) / 8u;
    let n = tile % tiles * 8u;
    let first = tile / tiles * 32u;
    if first >= p.keys {
        return;
    }
    let query = min(n + lane, p.queries - 1u) * p.quads;
    let j = vec4u(first + lane) + vec4u(0u, 8u, 16u, 24u);
    let key = min(j, vec4u(p.keys - 1u)) * p.quads;
    for (var c = 0u; c < p.quads; c += 1u) {
        let a = q[query + c];
        let b = mat4x4f(queue[key.x + c], queue[key.y + c], queue[key.z + c], queue[key.w + c]);
        let channels = transpose(b);
        channel(a.x, channels[0]);
        channel(a.y, channels[1]);
        channel(a.z, channels[2]);
        channel(a.w, channels[3]);
    }
    let width = (p.queries + 3u) / 4u;
    for (var i = 0u; i < 4u; i += 1u) {
        let at = j[i] * width + n / 4u;
        if j[i] < p.keys {
            logits[at] = scaled(low[i], n);
            if n + 4u < p.queries {
                logits[at + 1u] = scaled(high[i], n + 4u);
            }
        }
    }
}
