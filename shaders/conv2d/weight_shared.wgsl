// The sum of weight_plain.wgsl as a tile in workgroup memory, for GPUs.
//
// A workgroup of 16 × 16 threads sums 64 rows × 64 output channels of dw over a part of the pixels; a row is
// one input channel of one tap. Sixteen pixels are staged at a time: each thread loads one vec4 of x and
// one of dy, then adds 16 rank-one updates to its 4 rows × 1 quad. 8 KiB of workgroup memory, two
// barriers a stage.

#import grid

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

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
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

var<workgroup> tile_x: array<vec4f, 256>; // [16 pixels][16 row quads]
var<workgroup> tile_d: array<vec4f, 256>; // [16 pixels][16 quads]

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_quads = p.taps * p.x_quads;
    let tiles = (row_quads + 15u) / 16u;
    let tile = group_of(group, groups);
    let part = tile / tiles;
    if part >= p.parts {
        return;
    }
    let tx = lane % 16u;
    let ty = lane / 16u;
    let load_row = min(tile % tiles * 16u + tx, row_quads - 1u);
    let load_tap = load_row / p.x_quads;
    let load_c = load_row % p.x_quads;
    let k = group.z * 16u + tx;
    let load_k = min(k, p.y_quads - 1u);
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    let end = min((part + 1u) * p.chunk, p.pixels);
    for (var start = part * p.chunk; start < end; start += 16u) {
        let pixel = start + ty;
        var v = vec4f();
        var d = vec4f();
        if pixel < end {
            let begin = place(pixel, load_tap);
            if begin >= 0 {
                v = x[u32(begin) + load_c];
            }
            d = dy[pixel * p.y_quads + load_k];
        }
        tile_x[lane] = v;
        tile_d[lane] = d;
        workgroupBarrier();
        for (var i = 0u; i < 16u; i += 1u) {
            let a = tile_x[i * 16u + ty];
            let b = tile_d[i * 16u + tx];
            sum0 += a.x * b;
            sum1 += a.y * b;
            sum2 += a.z * b;
            sum3 += a.w * b;
        }
        workgroupBarrier();
    }
    let row_quad = tile % tiles * 16u + ty;
    if row_quad < row_quads && k < p.y_quads {
        let at = (part * row_quads + row_quad) * 4u * p.y_quads + k;
        dw[at] = sum0;
        dw[at + p.y_quads] = sum1;
        dw[at + 2u * p.y_quads] = sum2;
        dw[at + 3u * p.y_quads] = sum3;
    }
}
