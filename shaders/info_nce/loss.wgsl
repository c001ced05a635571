// loss = 1/N Σ_n log(1 + exp(d_n)),  d_n = log Σ_j exp(logits[j][n]) − q[n] · k[n] / τ
//
// which is the mean of −log of the positive's softmax weight. With d no weight near 1 is ever
// subtracted from 1. For the gradient, state[n] = (log Σ_j exp(logits[j][n]), σ(d_n)): σ(d) is the
// share of the softmax that the queue has.
// One workgroup; a thread per query, and the next 256, and so on.

#import log1p
#import reduce

struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> k: array<vec4f>;
@group(0) @binding(2) var<storage, read> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> loss: array<vec4f>;

// log Σ_j exp(logits[j][n]) from the chunks' maxima and sums, in their order.
fn log_sum_exp(n: u32) -> f32 {
    let stride = (p.queries + 3u) / 4u * 4u;
    let chunks = (p.keys + p.chunk - 1u) / p.chunk;
    var most = sums[n];
    for (var t = 1u; t < chunks; t += 1u) {
        most = max(most, sums[2u * t * stride + n]);
    }
    var sum = 0.0;
    for (var t = 0u; t < chunks; t += 1u) {
        let at = 2u * t * stride + n;
        sum += sums[at + stride] * exp(sums[at] - most);
    }
    return most + log(sum);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var total = 0.0;
    for (var n = lane; n < p.queries; n += 256u) {
        var positive = 0.0;
        for (var c = 0u; c < p.quads; c += 1u) {
            positive += dot(q[n * p.quads + c], k[n * p.quads + c]);
        }
        let negative = log_sum_exp(n);
        let d = negative - p.scale * positive;
        let x = exp(-abs(d));
        state[n] = vec4f(negative, select(x, 1.0, d > 0.0) / (1.0 + x), 0.0, 0.0);
        total += max(d, 0.0) + log1p(vec4f(x)).x;
    }
    let sum = sum_of_group(lane, vec4f(total, 0.0, 0.0, 0.0));
    if lane == 0u {
        loss[0] = sum / f32(p.queries);
    }
}
