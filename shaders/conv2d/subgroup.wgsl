// The sum of plain.wgsl as a register tile of a subgroup, without barriers.
//
// A workgroup is eight lanes of one subgroup and computes 16 rows × 64 channels. For each quad of
// input channels a lane loads that quad of rows `lane` and `lane + 8`, and 4 × 2 quads of weights; then
// row by row the four values are handed to all lanes, and each lane adds the sum of four products to
// its two quads of that row. 10 loads of a quad serve 128 × 4 multiply-adds of vec4, which is what counts
// where a load costs as much as dozens of them: on drivers that run on the CPU, and on small GPUs.
// A larger tile has fewer loads but code beyond the cache of instructions. Sums of four before
// they are added also round less. Needs subgroups of at least eight lanes.
//
// Planes are independent products on one launch: plane i takes its own images and weights, which
// is what Winograd's convolution multiplies.

#import grid
#import quads
#import values
#import conv2d/sum_params

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> w: array<Values>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

const HAS_BIAS: u32 = 0u;
// 1: w is [taps, K, C], the weights of the convolution whose input gradient this is.
const TRANSPOSED: u32 = 0u;

var<private> acc: array<vec4f, 32>;    // [16 rows][2 quads]
var<private> weight: array<vec4f, 8>;  // [2 quads][4 input channels]

// The weights from the four input channels of quad c to the four channels of quad k.
fn load_weights(to: u32, plane: u32, tap: u32, c: u32, k: u32) {
    if TRANSPOSED == 1u {
        let at = plane + (tap * p.y_quads + k) * 4u * p.x_quads + c;
        let q = transpose(mat4x4f(
            values(w[at]), values(w[at + p.x_quads]), values(w[at + 2u * p.x_quads]), values(w[at + 3u * p.x_quads]),
        ));
        weight[to] = q[0];
        weight[to + 1u] = q[1];
        weight[to + 2u] = q[2];
        weight[to + 3u] = q[3];
    } else {
        let at = plane + (tap * p.x_quads + c) * 4u * p.y_quads + k;
        weight[to] = values(w[at]);
        weight[to + 1u] = values(w[at + p.y_quads]);
        weight[to + 2u] = values(w[at + 2u * p.y_quads]);
        weight[to + 3u] = values(w[at + 3u * p.y_quads]);
    }
}

// Adds four input channels of one row. Every index is a constant once this is inlined, so that
// the accumulators live in registers.
fn add(row: u32, v: vec4f) {
    acc[2u * row] += v.x * weight[0] + v.y * weight[1] + v.z * weight[2] + v.w * weight[3];
    acc[2u * row + 1u] += v.x * weight[4] + v.y * weight[5] + v.z * weight[6] + v.w * weight[7];
}

// Rows first … first + 7, which lanes 0 … 7 hold.
fn add_eight(first: u32, v: vec4f) {
    add(first, subgroupBroadcast(v, 0u));
    add(first + 1u, subgroupBroadcast(v, 1u));
    add(first + 2u, subgroupBroadcast(v, 2u));
    add(first + 3u, subgroupBroadcast(v, 3u));
    add(first + 4u, subgroupBroadcast(v, 4u));
    add(first + 5u, subgroupBroadcast(v, 5u));
    add(first + 6u, subgroupBroadcast(v, 6u));
    add(first + 7u, subgroupBroadcast(v, 7u));
}

// Image, row and column of an output. Rows are a pixel of `together` images, then the next pixel of them:
// on small images the rows of a tile then lie in the padding together.
fn position(row: u32, plane: u32) -> vec3u {
    let r = min(row, p.rows - 1u);
    let t = r / p.together;
    let h = t / p.grid_w;
    let block = h / p.grid_h;
    let n = plane * p.images + block * p.together + r - t * p.together;
    return vec3u(n, h - block * p.grid_h, t - h * p.grid_w);
}

// Where the channels begin in x that it reads at a tap, or −1 in the padding.
fn source(at: vec3u, tap_h: u32, tap_w: u32) -> i32 {
    let h = i32(at.y * p.x_step_h) + p.x_first_h + i32(tap_h) * p.x_tap_h;
    let w = i32(at.z * p.x_step_w) + p.x_first_w + i32(tap_w) * p.x_tap_w;
    if h < 0 || h >= i32(p.x_h) || w < 0 || w >= i32(p.x_w) {
        return -1;
    }
    return ((i32(at.x) * i32(p.x_h) + h) * i32(p.x_w) + w) * i32(p.x_quads);
}

// The least and the greatest row and column of the outputs from one to another: (h, w, h, w). It is the same for all lanes,
// and is computed of what a compiler knows to be so, since what follows hands numbers from lane to lane.
fn rows_between(first: u32, last: u32) -> vec4u {
    let t = vec2u(min(first, p.rows - 1u), last) / p.together;
    let h = t / p.grid_w;
    let block = h / p.grid_h;
    let row = h - block * p.grid_h;
    let column = t - h * p.grid_w;
    let rows = select(vec2u(0u, p.grid_h - 1u), row, block.x == block.y);
    let columns = select(vec2u(0u, p.grid_w - 1u), column, h.x == h.y);
    return vec4u(rows.x, columns.x, rows.y, columns.y);
}

// Whether any of the outputs between may read a pixel of x at a tap, and not its padding.
fn reaches(between: vec4u, tap_h: u32, tap_w: u32) -> bool {
    let step = vec2u(p.x_step_h, p.x_step_w);
    let at = vec2i(
        p.x_first_h + i32(tap_h) * p.x_tap_h,
        p.x_first_w + i32(tap_w) * p.x_tap_w,
    );
    let low = vec2i(between.xy * step) + at;
    let high = vec2i(between.zw * step) + at;
    return all(high >= vec2i()) && all(low < vec2i(i32(p.x_h), i32(p.x_w)));
}

// Where its channels begin in y.
fn target_of(at: vec3u) -> u32 {
    let h = at.y * p.y_step_h + p.y_first_h;
    let w = at.z * p.y_step_w + p.y_first_w;
    return ((at.x * p.y_h + h) * p.y_w + w) * p.y_quads;
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_of(group, groups) * 16u;
    let tiles = (p.y_quads + 15u) / 16u;
    let plane = group.z / tiles;
    let first_weight = plane * p.w_plane;
    // Columns beyond the last repeat it and are not stored.
    let k = group.z % tiles * 16u + lane;
    let k0 = min(k, p.y_quads - 1u);
    let k1 = min(k + 8u, p.y_quads - 1u);
    let a = position(row + lane, plane);
    let b = position(row + 8u + lane, plane);
    let reach = rows_between(row, min(row + 15u, p.rows - 1u));
    for (var r = 0u; r < p.taps_h; r += 1u) {
        for (var s = 0u; s < p.taps_w; s += 1u) {
            // On small images and with atrous kernels a tap often lies in the padding for all sixteen.
            if !reaches(reach, r, s) {
                continue;
            }
            let from_a = source(a, r, s);
            let from_b = source(b, r, s);
            let tap = (p.w_first_h + r * p.w_tap_h) * p.w_width + p.w_first_w + s * p.w_tap_w;
            for (var c = 0u; c < p.x_quads; c += 1u) {
                load_weights(0u, first_weight, tap, c, k0);
                load_weights(4u, first_weight, tap, c, k1);
                add_eight(0u, select(vec4f(), values(x[u32(max(from_a, 0)) + c]), from_a >= 0));
                add_eight(8u, select(vec4f(), values(x[u32(max(from_b, 0)) + c]), from_b >= 0));
            }
        }
    }
    var b0 = vec4f();
    var b1 = vec4f();
    if HAS_BIAS == 1u {
        b0 = bias[k0];
        b1 = bias[k1];
    }
    let to_a = target_of(a);
    let to_b = target_of(b);
    for (var i = 0u; i < 16u; i += 1u) {
        let to = subgroupShuffle(select(to_a, to_b, i >= 8u), i % 8u);
        if row + i < p.rows && k < p.y_quads {
            y[to + k] = stored(acc[2u * i] + b0);
        }
        if row + i < p.rows && k + 8u < p.y_quads {
            y[to + k + 8u] = stored(acc[2u * i + 1u] + b1);
        }
    }
}
