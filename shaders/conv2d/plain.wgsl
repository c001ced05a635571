// y[n, first + step·(i, j), k] = bias[k] + Σ over taps t, channels c   x[n, place(i, j, t), c] · w[t, c, k]
//
// x: [N, x_h, x_w, C]   w: [taps, C, K]   y: [N, y_h, y_w, K], channels four at a time
//
// The one loop behind a convolution and its input gradient: a convolution reads at stride · (i, j) +
// tap · dilation − padding; the gradient for one phase of a strided input writes every stride-th
// element and reads dy densely, with the taps that reach this phase.
//
// One thread computes four channels of one output. It loads 5 vec4 for 16 multiply-adds of vec4: the
// kernel to read first, and to compare the others with.

#import grid
#import quads
#import values
#import conv2d/sum_params

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> w: array<Values>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

const HAS_BIAS: u32 = 0u;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let k = i % p.y_quads;
    let row = i / p.y_quads;
    if row >= p.rows {
        return;
    }
    let n = row / (p.grid_h * p.grid_w);
    let at_h = row / p.grid_w % p.grid_h;
    let at_w = row % p.grid_w;
    var sum = vec4f();
    if HAS_BIAS == 1u {
        sum = bias[k];
    }
    for (var r = 0u; r < p.taps_h; r += 1u) {
        let h = i32(at_h * p.x_step_h) + p.x_first_h + i32(r) * p.x_tap_h;
        for (var s = 0u; s < p.taps_w; s += 1u) {
            let c_w = i32(at_w * p.x_step_w) + p.x_first_w + i32(s) * p.x_tap_w;
            if h < 0 || h >= i32(p.x_h) || c_w < 0 || c_w >= i32(p.x_w) {
                continue;
            }
            let begin = ((n * p.x_h + u32(h)) * p.x_w + u32(c_w)) * p.x_quads;
            let tap = (p.w_first_h + r * p.w_tap_h) * p.w_width + p.w_first_w + s * p.w_tap_w;
            for (var c = 0u; c < p.x_quads; c += 1u) {
                let v = values(x[begin + c]);
                let at = (tap * p.x_quads + c) * 4u * p.y_quads + k;
                sum += v.x * values(w[at]);
                sum += v.y * values(w[at + p.y_quads]);
                sum += v.z * values(w[at + 2u * p.y_quads]);
                sum += v.w * values(w[at + 3u * p.y_quads]);
            }
        }
    }
    let to_h = at_h * p.y_step_h + p.y_first_h;
    let to_w = at_w * p.y_step_w + p.y_first_w;
    y[((n * p.y_h + to_h) * p.y_w + to_w) * p.y_quads + k] = stored(sum);
}
