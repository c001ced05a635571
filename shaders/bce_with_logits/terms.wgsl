// Binary cross-entropy of every logit x with its target t in 0..1, and its gradient. With
// e = exp(−|x|):
//
//   loss = max(x, 0) − x t + log(1 + e) = |x| (t where x < 0, else 1 − t) + log(1 + e)
//   g    = σ(x) − t = (1 − t) σ(x) − t σ(−x)          the second form loses no digits at t = 1
//
// x, t and g are [N, L]. Where t is negative it is missing and the element counts for nothing. The
// mean is not known yet, so g is of the element's own loss; every workgroup leaves (sum of its
// losses, elements counted) in `partials`, [groups, 2]. A thread takes four elements, and the four
// that lie as many threads further on as there are, and so on to the end.

#import log1p
#import reduce

struct Params {
    total: u32, // N·quads
    quads: u32,
    channels: u32, // L
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> logits: array<vec4f>;
@group(0) @binding(1) var<storage, read> targets: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    var sums = vec4f();
    for (var i = group.x * 256u + lane; i < p.total; i += groups.x * 256u) {
        let x = logits[i];
        let t = targets[i];
        let channel = 4u * (i % p.quads) + vec4u(0u, 1u, 2u, 3u);
        let counts = (t >= vec4f()) & (channel < vec4u(p.channels));
        let e = exp(-abs(x));
        // Both terms ≥ 0: nothing cancels, in whatever order they are added.
        let loss = abs(x) * select(t, 1.0 - t, x >= vec4f()) + log1p(e);
        let high = 1.0 / (1.0 + e); // σ(|x|)
        let up = select(e * high, high, x >= vec4f()); // σ(x)
        let down = select(high, e * high, x >= vec4f()); // σ(−x)
        g[i] = select(vec4f(), (1.0 - t) * up - t * down, counts);
        let losses = dot(select(vec4f(), loss, counts), vec4f(1.0));
        let counted = dot(select(vec4f(), vec4f(1.0), counts), vec4f(1.0));
        sums += vec4f(losses, counted, 0.0, 0.0);
    }
    let total = sum_of_group(lane, sums);
    if lane == 0u {
        partials[group.x] = total;
    }
}
