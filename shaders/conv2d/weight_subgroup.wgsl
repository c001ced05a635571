// The sum of weight_plain.wgsl as a register tile of a subgroup, without barriers.
//
// A workgroup is eight lanes of one subgroup and sums 16 rows × 64 output channels of dw over a part of
// the pixels; a row is one input channel of one tap. For eight pixels at a time each lane loads the 16
// row values of pixel `lane`; then, pixel by pixel, they are handed to all lanes, and each lane
// loads its two quads of dy. 20 loads of vec4 serve 256 multiply-adds of vec4. Needs subgroups
// of at least eight lanes.

#import grid

struct Params {
    pixels: u32,                                  // N · P · Q
    chunk: u32,                                   // pixels of one part
    parts: u32,
    p_h: u32, p_w: u32,                           // P, Q
    x_h: u32, x_w: u32, x_quads: u32,
    y_quads: u32,
    taps: u32, taps_w: u32,
    stride_h: u32, stride_w: u32, padding_h: u32, padding_w: u32, dilation_h: u32, dilation_w: u32,
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

var<private> acc: array<vec4f, 32>;

// Pixel i of eight: rows from lane i, columns d0 and d1 of this lane.
fn rank_one(i: u32, a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f, d0: vec4f, d1: vec4f) {
    var s: f32;
    s = subgroupShuffle(a0.x, i);
    acc[0] += s * d0;
    acc[1] += s * d1;
    s = subgroupShuffle(a0.y, i);
    acc[2] += s * d0;
    acc[3] += s * d1;
    s = subgroupShuffle(a0.z, i);
    acc[4] += s * d0;
    acc[5] += s * d1;
    s = subgroupShuffle(a0.w, i);
    acc[6] += s * d0;
    acc[7] += s * d1;
    s = subgroupShuffle(a1.x, i);
    acc[8] += s * d0;
    acc[9] += s * d1;
    s = subgroupShuffle(a1.y, i);
    acc[10] += s * d0;
    acc[11] += s * d1;
    s = subgroupShuffle(a1.z, i);
    acc[12] += s * d0;
    acc[13] += s * d1;
    s = subgroupShuffle(a1.w, i);
    acc[14] += s * d0;
    acc[15] += s * d1;
    s = subgroupShuffle(a2.x, i);
    acc[16] += s * d0;
    acc[17] += s * d1;
    s = subgroupShuffle(a2.y, i);
    acc[18] += s * d0;
    acc[19] += s * d1;
    s = subgroupShuffle(a2.z, i);
    acc[20] += s * d0;
    acc[21] += s * d1;
    s = subgroupShuffle(a2.w, i);
    acc[22] += s * d0;
    acc[23] += s * d1;
    s = subgroupShuffle(a3.x, i);
    acc[24] += s * d0;
    acc[25] += s * d1;
    s = subgroupShuffle(a3.y, i);
    acc[26] += s * d0;
    acc[27] += s * d1;
    s = subgroupShuffle(a3.z, i);
    acc[28] += s * d0;
    acc[29] += s * d1;
    s = subgroupShuffle(a3.w, i);
    acc[30] += s * d0;
    acc[31] += s * d1;
}

// One quad of rows at one pixel that begins at `begin`: zero in the padding.
fn load(begin: i32, row_quad: u32) -> vec4f {
    return select(vec4f(), x[u32(max(begin, 0)) + row_quad % p.x_quads], begin >= 0);
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_quads = p.taps * p.x_quads;
    let tiles = (row_quads + 3u) / 4u;
    let tile = group_of(group, groups);
    let part = tile / tiles;
    if part >= p.parts {
        return;
    }
    // Rows and columns beyond the last repeat it and are not stored.
    let first = tile % tiles * 4u;
    let q0 = min(first, row_quads - 1u);
    let q1 = min(first + 1u, row_quads - 1u);
    let q2 = min(first + 2u, row_quads - 1u);
    let q3 = min(first + 3u, row_quads - 1u);
    let k = group.z * 16u + lane;
    let k0 = min(k, p.y_quads - 1u);
    let k1 = min(k + 8u, p.y_quads - 1u);
    let end = min((part + 1u) * p.chunk, p.pixels);
    for (var pixel = part * p.chunk; pixel < end; pixel += 8u) {
        // This lane's pixel, seen by four quads of rows, −1 beyond the end too.
        let at_lane = min(pixel + lane, end - 1u);
        let beyond = select(0, -1, pixel + lane >= end);
        let b0 = place(at_lane, q0 / p.x_quads) | beyond;
        let b1 = place(at_lane, q1 / p.x_quads) | beyond;
        let b2 = place(at_lane, q2 / p.x_quads) | beyond;
        let b3 = place(at_lane, q3 / p.x_quads) | beyond;
        // A tap of an atrous kernel often lies in the padding for all eight pixels.
        if !subgroupAny(max(max(b0, b1), max(b2, b3)) >= 0) {
            continue;
        }
        let a0 = load(b0, q0);
        let a1 = load(b1, q1);
        let a2 = load(b2, q2);
        let a3 = load(b3, q3);
        for (var i = 0u; i < 8u; i += 1u) {
            let at = min(pixel + i, end - 1u) * p.y_quads;
            rank_one(i, a0, a1, a2, a3, dy[at + k0], dy[at + k1]);
        }
    }
    for (var i = 0u; i < 16u; i += 1u) {
        let row = first * 4u + i;
        if row < row_quads * 4u {
            let at = (part * row_quads * 4u + row) * p.y_quads;
            if k < p.y_quads {
                dw[at + k] = acc[2u * i];
            }
            if k + 8u < p.y_quads {
                dw[at + k + 8u] = acc[2u * i + 1u];
            }
        }
    }
}
