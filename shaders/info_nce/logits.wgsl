// logits[j][n] = q[n] · queue[j] / τ
//
// q is [N, D], queue [K, D]. The logits are [K, N], a row per key, because the gradient walks over
// keys and wants the weights of several queries side by side.
// One thread per key and four queries. Cost: 2NKD flop.

#import grid

struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> queue: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> logits: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let width = (p.queries + 3u) / 4u;
    if i >= p.keys * width {
        return;
    }
    let key = i / width * p.quads;
    let n = vec4u(i % width * 4u) + vec4u(0u, 1u, 2u, 3u);
    let row = min(n, vec4u(p.queries - 1u)) * p.quads;
    var sum = vec4f();
    for (var c = 0u; c < p.quads; c += 1u) {
        sum += queue[key + c] * mat4x4f(q[row.x + c], q[row.y + c], q[row.z + c], q[row.w + c]);
    }
    logits[i] = select(vec4f(), p.scale * sum, n < vec4u(p.queries));
}
