// The sum of weight_plain.wgsl by 8 × 8 matrices that a subgroup multiplies together, for adapters that list such.
//
// A workgroup of four subgroups of 32 sums 64 rows × 64 output channels of dw over a part of the pixels, a subgroup
// 32 × 32 of them: 4 × 4 sums of 8 × 8; a row is one input channel of one tap. Sixteen pixels are staged at a time: a
// thread loads two quads of x and two of dy; then for each eight pixels a subgroup reads 4 + 4 matrices from workgroup
// memory, those of x turned, for 16 products. 8 KiB of workgroup memory, two barriers a stage. Planes are
// independent products in one launch, as in subgroup.wgsl. Needs subgroups of 32 lanes.

#import matrices
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
    images: u32, planes: u32,                     // of a plane; of all
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

// Where dy begins in the tile.
const D: u32 = 1024u;

// x: [16 pixels][64 rows], dy: [16 pixels][64 channels]; in the end [4 subgroups][16 rows][32 channels] of dw.
var<workgroup> tile: array<f32, 2048>;

fn stage(at: u32, v: vec4f) {
    tile[at] = v.x;
    tile[at + 1u] = v.y;
    tile[at + 2u] = v.z;
    tile[at + 3u] = v.w;
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let row_quads = p.taps * p.x_quads;
    let tiles = (row_quads + 15u) / 16u;
    let cut = group_of(group, groups);
    let part = cut / tiles;
    if part >= p.parts {
        return;
    }
    let k_tiles = (p.y_quads + 15u) / 16u;
    let plane = group.z / k_tiles;
    let first_k = group.z % k_tiles * 16u;
    let first_row = cut % tiles * 16u;
    // The sums begin as zeros that are read like any matrix.
    for (var j = 0u; j < 4u; j += 1u) {
        stage(4u * (lane + 128u * j), vec4f());
    }
    workgroupBarrier();
    let team = team_of(lane, subgroup);
    let rows_of_team = team / 2u * 32u;
    let channels_of_team = team % 2u * 32u;
    var sum: array<Sum, 16>;  // [4 times 8 rows][4 times 8 channels]
    for (var i = 0u; i < 16u; i += 1u) {
        sum[i] = sum_of(0u, 8u, lane);
    }
    workgroupBarrier();
    let quad_of_lane = lane % 16u;
    let row = min(first_row + quad_of_lane, row_quads - 1u);
    let k_of_lane = min(first_k + quad_of_lane, p.y_quads - 1u);
    let end = min((part + 1u) * p.chunk, p.pixels);
    for (var start = part * p.chunk; start < end; start += 16u) {
        for (var j = 0u; j < 2u; j += 1u) {
            let pixel = start + 8u * j + lane / 16u;
            var v = vec4f();
            var d = vec4f();
            if pixel < end {
                let begin = place(plane * p.pixels + pixel, row / p.x_quads);
                if begin >= 0 {
                    v = values(x[u32(begin) + row % p.x_quads]);
                }
                d = values(dy[(plane * p.pixels + pixel) * p.y_quads + k_of_lane]);
            }
            let to = (8u * j + lane / 16u) * 64u + 4u * quad_of_lane;
            stage(to, v);
            stage(D + to, d);
        }
        workgroupBarrier();
        for (var v = 0u; v < 16u; v += 8u) {
            var b: array<Right, 4>;
            for (var j = 0u; j < 4u; j += 1u) {
                b[j] = right(D + v * 64u + channels_of_team + 8u * j, 64u, lane);
            }
            for (var i = 0u; i < 4u; i += 1u) {
                let a = left_turned(v * 64u + rows_of_team + 8u * i, 64u, lane);
                for (var j = 0u; j < 4u; j += 1u) {
                    sum[4u * i + j] = multiply_add(a, b[j], sum[4u * i + j]);
                }
            }
        }
        workgroupBarrier();
    }
    // Sixteen of every subgroup's rows at a time.
    for (var half = 0u; half < 2u; half += 1u) {
        for (var i = 0u; i < 2u; i += 1u) {
            for (var j = 0u; j < 4u; j += 1u) {
                put(sum[8u * half + 4u * i + j], (team * 16u + 8u * i) * 32u + 8u * j, 32u, lane);
            }
        }
        workgroupBarrier();
        for (var t = lane; t < 512u; t += 128u) {
            let of_team = t / 128u;
            let to = 4u * first_row + of_team / 2u * 32u + 16u * half + t / 8u % 16u;
            let k = first_k + of_team % 2u * 8u + t % 8u;
            if to < 4u * row_quads && k < p.y_quads {
                dw[((part * p.planes + plane) * row_quads * 4u + to) * p.y_quads + k] =
                    vec4f(tile[4u * t], tile[4u * t + 1u], tile[4u * t + 2u], tile[4u * t + 3u]);
            }
        }
        workgroupBarrier();
    }
}
