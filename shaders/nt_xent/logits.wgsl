// logits[i][j] = z[i] · z[j] / τ, lowest where i = j; targets[i] = i with its last bit flipped
//
// z is [2N, D] of unit length, logits [2N, 2N], targets [2N, 1]: rows 2i and 2i + 1 are two views of one
// film, and each row's class is the other view. One thread per row and four columns.
// Cost: 2 (2N)² D flop.

#import grid

struct Params { rows: u32, quads: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> z: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> logits: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> targets: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let t = element(id, groups);
    let width = (p.rows + 3u) / 4u;
    let i = t / width;
    if i >= p.rows {
        return;
    }
    let j = vec4u(t % width * 4u) + vec4u(0u, 1u, 2u, 3u);
    let row = min(j, vec4u(p.rows - 1u)) * p.quads;
    var sum = vec4f();
    for (var c = 0u; c < p.quads; c += 1u) {
        sum += z[i * p.quads + c] * mat4x4f(z[row.x + c], z[row.y + c], z[row.z + c], z[row.w + c]);
    }
    // Far below every other logit, so that its exponential is 0.
    let other = select(p.scale * sum, vec4f(-1e30), j == vec4u(i));
    logits[t] = select(vec4f(), other, j < vec4u(p.rows));
    if t % width == 0u {
        targets[i] = vec4f(f32(i ^ 1u), 0.0, 0.0, 0.0);
    }
}
