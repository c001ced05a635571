// The sum of plain.wgsl as a tile in workgroup memory, for GPUs.
//
// A workgroup of 16 × 16 threads computes 64 rows × 64 channels, or, where SIZE is 2, 128 × 128. The taps'
// channels are one long axis of quads; four quads of it (16 values) are staged at a time: a thread loads
// SIZE quads of x and SIZE of w, then adds 16 rank-one updates to its 4 · SIZE rows × SIZE quads. So 2 loads of
// a quad from memory serve 64 · SIZE multiply-adds of vec4, and 4 + 1 reads of workgroup memory 4 (8 + 2 serve 16).
// 8 KiB · SIZE of workgroup memory, two barriers a stage.
//
// Planes are independent products in one launch, as in subgroup.wgsl.

#import grid
#import quads
#import values
#import conv2d/sum_params

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> w: array<Values>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

const HAS_BIAS: u32 = 0u;
const SIZE: u32 = 1u;

var<workgroup> tile_x: array<f32, 1024u * SIZE>;   // [16 values][64 · SIZE rows]
var<workgroup> tile_w: array<vec4f, 256u * SIZE>;  // [16 values][16 · SIZE quads]

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_row = group_of(group, groups) * 64u * SIZE;
    if first_row >= p.rows {
        return;
    }
    let tiles = (p.y_quads + 16u * SIZE - 1u) / (16u * SIZE);
    let plane = group.z / tiles;
    let first_k = group.z % tiles * 16u * SIZE;
    // What this thread stages: of x a quad of row lane / 4 and of every 64th after it, of w a value's quad
    // lane % 16 and every 16th after it. Where the rows begin to read: image, row, column.
    var origin: array<vec3i, SIZE>;
    for (var j = 0u; j < SIZE; j += 1u) {
        let row = min(first_row + 64u * j + lane / 4u, p.rows - 1u);
        origin[j] = vec3i(
            i32(plane * p.images + row / (p.grid_h * p.grid_w)),
            i32(row / p.grid_w % p.grid_h * p.x_step_h) + p.x_first_h,
            i32(row % p.grid_w * p.x_step_w) + p.x_first_w,
        );
    }
    // What it computes: rows ty · 4 … ty · 4 + 3 and the same 64 further on, quads tx and tx + 16.
    let tx = lane % 16u;
    let ty = lane / 16u;
    var sum: array<vec4f, 4u * SIZE * SIZE>;  // [4 · SIZE rows][SIZE quads]
    let length = p.taps_h * p.taps_w * p.x_quads;
    for (var start = 0u; start < length; start += 4u) {
        let q = start + lane % 4u;
        let tap = q / p.x_quads;
        let step = vec2i(i32(tap / p.taps_w) * p.x_tap_h, i32(tap % p.taps_w) * p.x_tap_w);
        for (var j = 0u; j < SIZE; j += 1u) {
            var v = vec4f();
            let at = origin[j].yz + step;
            if q < length && at.x >= 0 && at.x < i32(p.x_h) && at.y >= 0 && at.y < i32(p.x_w) {
                v = values(x[u32((origin[j].x * i32(p.x_h) + at.x) * i32(p.x_w) + at.y) * p.x_quads + q % p.x_quads]);
            }
            let to = lane % 4u * 256u * SIZE + 64u * j + lane / 4u;
            tile_x[to] = v.x;
            tile_x[to + 64u * SIZE] = v.y;
            tile_x[to + 128u * SIZE] = v.z;
            tile_x[to + 192u * SIZE] = v.w;
        }
        let value = start * 4u + lane / 16u;
        let wq = value / 4u;
        let w_tap = wq / p.x_quads;
        let r = p.w_first_h + w_tap / p.taps_w * p.w_tap_h;
        let s = p.w_first_w + w_tap % p.taps_w * p.w_tap_w;
        let begin = ((r * p.w_width + s) * p.x_quads + wq % p.x_quads) * 4u + value % 4u;
        for (var j = 0u; j < SIZE; j += 1u) {
            var v = vec4f();
            if wq < length {
                v = values(w[plane * p.w_plane + begin * p.y_quads + min(first_k + 16u * j + tx, p.y_quads - 1u)]);
            }
            tile_w[(lane / 16u * SIZE + j) * 16u + tx] = v;
        }
        workgroupBarrier();
        for (var i = 0u; i < 16u; i += 1u) {
            var b: array<vec4f, SIZE>;
            for (var j = 0u; j < SIZE; j += 1u) {
                b[j] = tile_w[(i * SIZE + j) * 16u + tx];
            }
            for (var m = 0u; m < 4u * SIZE; m += 1u) {
                let a = tile_x[i * 64u * SIZE + m / 4u * 64u + ty * 4u + m % 4u];
                for (var j = 0u; j < SIZE; j += 1u) {
                    sum[m * SIZE + j] += a * b[j];
                }
            }
        }
        workgroupBarrier();
    }
    for (var m = 0u; m < 4u * SIZE; m += 1u) {
        let row = first_row + m / 4u * 64u + ty * 4u + m % 4u;
        if row >= p.rows {
            continue;
        }
        let to_h = row / p.grid_w % p.grid_h * p.y_step_h + p.y_first_h;
        let to_w = row % p.grid_w * p.y_step_w + p.y_first_w;
        let n = plane * p.images + row / (p.grid_h * p.grid_w);
        let to = ((n * p.y_h + to_h) * p.y_w + to_w) * p.y_quads;
        for (var j = 0u; j < SIZE; j += 1u) {
            let k = first_k + 16u * j + tx;
            if k < p.y_quads {
                var v = sum[m * SIZE + j];
                if HAS_BIAS == 1u {
                    v += bias[k];
                }
                y[to + k] = stored(v);
            }
        }
    }
}
