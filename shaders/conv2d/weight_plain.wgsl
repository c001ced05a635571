// dw[part, t, c, k] = Σ over the part's pixels (n, i, j)   x[n, stride·(i, j) + dilation·t − padding, c] · dy[n, i, j, k]
//
// x: [N, x_h, x_w, C]   dy: [N, P, Q, K]   dw: [parts, taps, C, K]
//
// One thread sums four input channels × four output channels of one tap over a part of the pixels. The
// parts are added in a fixed order by sum_parts.wgsl.

#import grid
#import quads
#import values
#import conv2d/weight_params

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let k = i % p.y_quads;
    let c = i / p.y_quads % p.x_quads;
    let tap = i / (p.y_quads * p.x_quads) % p.taps;
    let part = i / (p.y_quads * p.x_quads * p.taps);
    if part >= p.parts {
        return;
    }
    var s0 = vec4f();
    var s1 = vec4f();
    var s2 = vec4f();
    var s3 = vec4f();
    let end = min((part + 1u) * p.chunk, p.pixels);
    for (var pixel = part * p.chunk; pixel < end; pixel += 1u) {
        let begin = place(pixel, tap);
        if begin >= 0 {
            let v = values(x[u32(begin) + c]);
            let d = values(dy[pixel * p.y_quads + k]);
            s0 += v.x * d;
            s1 += v.y * d;
            s2 += v.z * d;
            s3 += v.w * d;
        }
    }
    let at = ((part * p.taps + tap) * p.x_quads + c) * 4u * p.y_quads + k;
    dw[at] = s0;
    dw[at + p.y_quads] = s1;
    dw[at + 2u * p.y_quads] = s2;
    dw[at + 3u * p.y_quads] = s3;
}
