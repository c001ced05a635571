// The sum of plain.wgsl as a tile in workgroup memory, for GPUs.
//
// A workgroup of 16 × 16 threads computes 64 rows × 64 channels. The taps' channels are one long axis of
// quads; four quads of it (16 values) are staged at a time: each thread loads one vec4 of x and one of w,
// then adds 16 rank-one updates to its 4 rows × 1 quad. 2 loads of vec4 from memory serve 64
// multiply-adds of vec4. 8 KiB of workgroup memory, two barriers a stage.

#import grid

struct Params {
    rows: u32,                                                    // images · grid_h · grid_w
    grid_h: u32, grid_w: u32,                                     // outputs of one image in this launch
    x_h: u32, x_w: u32, x_quads: u32,
    y_h: u32, y_w: u32, y_quads: u32,
    y_step_h: u32, y_step_w: u32, y_first_h: u32, y_first_w: u32, // output (i, j) lies at first + step · (i, j)
    x_step_h: u32, x_step_w: u32, x_first_h: i32, x_first_w: i32, // and starts reading at first + step · (i, j),
    x_tap_h: i32, x_tap_w: i32,                                   // moving by this from tap to tap
    taps_h: u32, taps_w: u32,
    w_first_h: u32, w_first_w: u32, w_tap_h: u32, w_tap_w: u32,   // which weights a tap takes
    w_width: u32, w_plane: u32,                                   // taps of a row, quads of a plane
    images: u32, together: u32,                                   // of a plane, of which there is one here; unused
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

const HAS_BIAS: u32 = 0u;

var<workgroup> tile_x: array<f32, 1024>;   // [16 values][64 rows]
var<workgroup> tile_w: array<vec4f, 256>;  // [16 values][16 quads]

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_row = group_of(group, groups) * 64u;
    let first_k = group.z * 16u;
    if first_row >= p.rows {
        return;
    }
    // What this thread stages: of x one quad of one row, of w one quad of one value's columns.
    let load_row = min(first_row + lane / 4u, p.rows - 1u);
    let n = load_row / (p.grid_h * p.grid_w);
    let at_h = i32(load_row / p.grid_w % p.grid_h * p.x_step_h) + p.x_first_h;
    let at_w = i32(load_row % p.grid_w * p.x_step_w) + p.x_first_w;
    let load_k = min(first_k + lane % 16u, p.y_quads - 1u);
    // What it computes: rows ty·4 … ty·4 + 3, quad tx.
    let tx = lane % 16u;
    let ty = lane / 16u;
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    let length = p.taps_h * p.taps_w * p.x_quads;
    for (var start = 0u; start < length; start += 4u) {
        let q = start + lane % 4u;
        var v = vec4f();
        if q < length {
            let tap = q / p.x_quads;
            let h = at_h + i32(tap / p.taps_w) * p.x_tap_h;
            let c_w = at_w + i32(tap % p.taps_w) * p.x_tap_w;
            if h >= 0 && h < i32(p.x_h) && c_w >= 0 && c_w < i32(p.x_w) {
                v = x[((n * p.x_h + u32(h)) * p.x_w + u32(c_w)) * p.x_quads + q % p.x_quads];
            }
        }
        let to = lane % 4u * 256u + lane / 4u;
        tile_x[to] = v.x;
        tile_x[to + 64u] = v.y;
        tile_x[to + 128u] = v.z;
        tile_x[to + 192u] = v.w;
        let value = start * 4u + lane / 16u;
        let wq = value / 4u;
        var wv = vec4f();
        if wq < length {
            let tap = wq / p.x_quads;
            let r = p.w_first_h + tap / p.taps_w * p.w_tap_h;
            let s = p.w_first_w + tap % p.taps_w * p.w_tap_w;
            let begin = (r * p.w_width + s) * p.x_quads + wq % p.x_quads;
            wv = w[(begin * 4u + value % 4u) * p.y_quads + load_k];
        }
        tile_w[lane] = wv;
        workgroupBarrier();
        for (var i = 0u; i < 16u; i += 1u) {
            let b = tile_w[i * 16u + tx];
            let a = i * 64u + ty * 4u;
            sum0 += tile_x[a] * b;
            sum1 += tile_x[a + 1u] * b;
            sum2 += tile_x[a + 2u] * b;
            sum3 += tile_x[a + 3u] * b;
        }
        workgroupBarrier();
    }
    let k = first_k + tx;
    if k >= p.y_quads {
        return;
    }
    var sums = array(sum0, sum1, sum2, sum3);
    for (var i = 0u; i < 4u; i += 1u) {
        let row = first_row + ty * 4u + i;
        if row < p.rows {
            if HAS_BIAS == 1u {
                sums[i] += bias[k];
            }
            let to_h = row / p.grid_w % p.grid_h * p.y_step_h + p.y_first_h;
            let to_w = row % p.grid_w * p.y_step_w + p.y_first_w;
            let m = row / (p.grid_h * p.grid_w);
            y[((m * p.y_h + to_h) * p.y_w + to_w) * p.y_quads + k] = sums[i];
        }
    }
}
