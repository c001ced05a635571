// dw[part, t, c, k] = Σ over the part's pixels (n, i, j)   x[n, stride·(i, j) + dilation·t − padding, c] · dy[n, i, j, k]
//
// x: [N, x_h, x_w, C]   dy: [N, P, Q, K]   dw: [parts, taps, C, K]
//
// One thread sums four input channels × four output channels of one tap over a part of the pixels. The
// parts are added in a fixed order by weight_sum.wgsl.

#import grid
#import quads
#import values

struct Params {
    pixels: u32,                                  // images · P · Q
    chunk: u32,                                   // pixels of one part
    parts: u32,
    p_h: u32, p_w: u32,                           // P, Q
    x_h: u32, x_w: u32, x_quads: u32,
    y_quads: u32,
    taps: u32, taps_w: u32,
    stride_h: u32, stride_w: u32, padding_h: u32, padding_w: u32, dilation_h: u32, dilation_w: u32,
    images: u32, planes: u32,                     // of a plane; here there is one
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

// Where the channels begin that output `pixel` reads at `tap`, or −1 in the padding.
fn place(pixel: u32, tap: u32) -> i32 {
    let h = i32(pixel / p.p_w % p.p_h * p.stride_h + tap / p.taps_w * p.dilation_h) - i32(p.padding_h);
    let w = i32(pixel % p.p_w * p.stride_w + tap % p.taps_w * p.dilation_w) - i32(p.padding_w);
    if h < 0 || h >= i32(p.x_h) || w < 0 || w >= i32(p.x_w) {
        return -1;
    }
    let n = pixel / (p.p_h * p.p_w);
    return i32(((n * p.x_h + u32(h)) * p.x_w + u32(w)) * p.x_quads);
}

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
