// sums[2t][n] = max of logits[j][n],  sums[2t + 1][n] = Σ exp(logits[j][n] − that maximum)
//
// over the keys j of chunk t: the first half of a log-sum-exp that neither overflows nor depends
// on the order in which workgroups run. One thread per chunk and four queries.

#import grid

struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> logits: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let width = (p.queries + 3u) / 4u;
    let t = i / width;
    let n = i % width;
    let first = t * p.chunk;
    if first >= p.keys {
        return;
    }
    let end = min(first + p.chunk, p.keys);
    var most = logits[first * width + n];
    for (var j = first + 1u; j < end; j += 1u) {
        most = max(most, logits[j * width + n]);
    }
    var sum = vec4f();
    for (var j = first; j < end; j += 1u) {
        sum += exp(logits[j * width + n] - most);
    }
    sums[2u * t * width + n] = most;
    sums[(2u * t + 1u) * width + n] = sum;
}
