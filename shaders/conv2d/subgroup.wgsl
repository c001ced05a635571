// The sum of plain.wgsl as a register tile of a subgroup, without barriers.
//
// A workgroup is eight lanes of one subgroup and computes 16 rows × 64 channels. For each quad of
// input channels a lane loads one vec4 of rows `lane` and `lane + 8`; the four values in it are handed to
// all lanes by subgroupBroadcast. Each lane keeps 16 rows × 2 quads of sums. 10 loads of vec4 serve 128
// multiply-adds of vec4, which is what counts where a load costs as much as dozens of them: on
// drivers that run on the CPU, and on small GPUs. Needs subgroups of at least eight lanes.

#import grid

struct Params {
    rows: u32,                                                    // N · grid_h · grid_w
    grid_h: u32, grid_w: u32,                                     // outputs of one image in this launch
    x_h: u32, x_w: u32, x_quads: u32,
    y_h: u32, y_w: u32, y_quads: u32,
    y_step_h: u32, y_step_w: u32, y_first_h: u32, y_first_w: u32, // output (i, j) lies at first + step · (i, j)
    x_step_h: u32, x_step_w: u32, x_first_h: i32, x_first_w: i32, // and starts reading at first + step · (i, j),
    x_tap_h: i32, x_tap_w: i32,                                   // moving by this from tap to tap
    taps_h: u32, taps_w: u32,
    w_first_h: u32, w_first_w: u32, w_tap_h: u32, w_tap_w: u32,   // which weights a tap takes
    w_width: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

const HAS_BIAS: u32 = 0u;

var<private> acc: array<vec4f, 32>;

// Rank-one update of eight rows: row i gets the value that lane i holds, times two quads of columns.
// Every index is a constant once this is inlined, so the accumulators live in registers.
fn eight(first: u32, v: f32, b0: vec4f, b1: vec4f) {
    var s: f32;
    s = subgroupBroadcast(v, 0u);
    acc[first] += s * b0;
    acc[first + 1u] += s * b1;
    s = subgroupBroadcast(v, 1u);
    acc[first + 2u] += s * b0;
    acc[first + 3u] += s * b1;
    s = subgroupBroadcast(v, 2u);
    acc[first + 4u] += s * b0;
    acc[first + 5u] += s * b1;
    s = subgroupBroadcast(v, 3u);
    acc[first + 6u] += s * b0;
    acc[first + 7u] += s * b1;
    s = subgroupBroadcast(v, 4u);
    acc[first + 8u] += s * b0;
    acc[first + 9u] += s * b1;
    s = subgroupBroadcast(v, 5u);
    acc[first + 10u] += s * b0;
    acc[first + 11u] += s * b1;
    s = subgroupBroadcast(v, 6u);
    acc[first + 12u] += s * b0;
    acc[first + 13u] += s * b1;
    s = subgroupBroadcast(v, 7u);
    acc[first + 14u] += s * b0;
    acc[first + 15u] += s * b1;
}

// The first element of x that output `row` reads at tap (0, 0), as n, h, w.
fn origin(row: u32) -> vec3i {
    let r = min(row, p.rows - 1u);
    let h = r / p.grid_w % p.grid_h * p.x_step_h;
    let w = r % p.grid_w * p.x_step_w;
    return vec3i(i32(r / (p.grid_h * p.grid_w)), i32(h) + p.x_first_h, i32(w) + p.x_first_w);
}

// Where that tap's channels begin in x, or −1 in the padding.
fn place(at: vec3i, tap_h: u32, tap_w: u32) -> i32 {
    let h = at.y + i32(tap_h) * p.x_tap_h;
    let w = at.z + i32(tap_w) * p.x_tap_w;
    if h < 0 || h >= i32(p.x_h) || w < 0 || w >= i32(p.x_w) {
        return -1;
    }
    return ((at.x * i32(p.x_h) + h) * i32(p.x_w) + w) * i32(p.x_quads);
}

fn store(row: u32, k: u32, first: vec4f, second: vec4f) {
    if row >= p.rows {
        return;
    }
    let n = row / (p.grid_h * p.grid_w);
    let h = row / p.grid_w % p.grid_h * p.y_step_h + p.y_first_h;
    let w = row % p.grid_w * p.y_step_w + p.y_first_w;
    let at = ((n * p.y_h + h) * p.y_w + w) * p.y_quads;
    if k < p.y_quads {
        y[at + k] = first;
    }
    if k + 8u < p.y_quads {
        y[at + k + 8u] = second;
    }
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_of(group, groups) * 16u;
    let k = group.z * 16u + lane;
    // Columns beyond the last repeat it and are not stored.
    let k0 = min(k, p.y_quads - 1u);
    let k1 = min(k + 8u, p.y_quads - 1u);
    let a = origin(row + lane);
    let b = origin(row + 8u + lane);
    for (var r = 0u; r < p.taps_h; r += 1u) {
        for (var s = 0u; s < p.taps_w; s += 1u) {
            let from_a = place(a, r, s);
            let from_b = place(b, r, s);
            // A tap of an atrous kernel often lies in the padding for all sixteen rows.
            if !subgroupAny(from_a >= 0 || from_b >= 0) {
                continue;
            }
            let tap = (p.w_first_h + r * p.w_tap_h) * p.w_width + p.w_first_w + s * p.w_tap_w;
            var at = tap * p.x_quads * 4u * p.y_quads;
            for (var c = 0u; c < p.x_quads; c += 1u) {
                let va = select(vec4f(), x[u32(max(from_a, 0)) + c], from_a >= 0);
                let vb = select(vec4f(), x[u32(max(from_b, 0)) + c], from_b >= 0);
                var w0 = w[at + k0];
                var w1 = w[at + k1];
                eight(0u, va.x, w0, w1);
                eight(16u, vb.x, w0, w1);
                at += p.y_quads;
                w0 = w[at + k0];
                w1 = w[at + k1];
                eight(0u, va.y, w0, w1);
                eight(16u, vb.y, w0, w1);
                at += p.y_quads;
                w0 = w[at + k0];
                w1 = w[at + k1];
                eight(0u, va.z, w0, w1);
                eight(16u, vb.z, w0, w1);
                at += p.y_quads;
                w0 = w[at + k0];
                w1 = w[at + k1];
                eight(0u, va.w, w0, w1);
                eight(16u, vb.w, w0, w1);
                at += p.y_quads;
            }
        }
    }
    var b0 = vec4f();
    var b1 = vec4f();
    if HAS_BIAS == 1u {
        b0 = bias[k0];
        b1 = bias[k1];
    }
    for (var i = 0u; i < 16u; i += 1u) {
        store(row + i, k, acc[2u * i] + b0, acc[2u * i + 1u] + b1);
    }
}
