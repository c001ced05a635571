// loss = Σ w[m] l(x[m][c] − t[m][c]),  l(d) = d²/2β where |d| < β, else |d| − β/2; and its gradient
//
// x, t and g are [M, C], w is [M, 1]. A row of weight 0 is not looked at, so that its target may be
// anything. Every workgroup leaves the sum of its terms in `partials`, [groups, 2], the second column
// zero. A thread takes four elements, and the four that lie as many threads further on as there are,
// and so on to the end.

#import reduce

struct Params {
    total: u32, // M·quads
    quads: u32,
    beta: f32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> t: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    var sum = 0.0;
    for (var i = group.x * 256u + lane; i < p.total; i += groups.x * 256u) {
        let w = weights[i / p.quads].x;
        var gradient = vec4f();
        if w != 0.0 {
            let d = x[i] - t[i];
            let near = abs(d) < vec4f(p.beta);
            // With β = 0 nothing is near, and the quotient is not used.
            let inner = d / max(p.beta, 1e-30);
            let loss = select(abs(d) - 0.5 * p.beta, 0.5 * d * inner, near);
            gradient = w * select(sign(d), inner, near);
            // The zeros that fill a row add none: there d = 0.
            sum += w * dot(loss, vec4f(1.0));
        }
        g[i] = gradient;
    }
    let total = sum_of_group(lane, vec4f(sum, 0.0, 0.0, 0.0));
    if lane == 0u {
        partials[group.x] = total;
    }
}
