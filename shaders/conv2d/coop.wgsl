// The sum of plain.wgsl by 8 × 8 matrices that a subgroup multiplies together, for adapters that list such.
//
// A workgroup of four subgroups of 32 computes 64 rows × 64 channels, as coop_tile.wgsl has it: this file is what is staged
// and where the sums go. As in shared.wgsl the taps' channels are one long axis of quads, of which four (16 values) are
// staged at a time: a thread loads two quads of x and two of w. 8 KiB of workgroup memory, two barriers a stage.
//
// Planes are independent products in one launch, as in subgroup.wgsl. Needs subgroups of 32 lanes.

#import matrices
#import coop_tile
#import grid
#import quads
#import values
#import conv2d/sum_params

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> w: array<Values>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

const HAS_BIAS: u32 = 0u;

// In the tile x is [64 rows][16 values], and w [16 values][64 channels].
fn rows_at(row: u32, value: u32, lane: u32) -> Left {
    return left(row * 16u + value, 16u, lane);
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let first_row = group_of(group, groups) * 64u;
    if first_row >= p.rows {
        return;
    }
    let tiles = (p.y_quads + 15u) / 16u;
    let plane = group.z / tiles;
    let first_k = group.z % tiles * 16u;
    // The rows of x that this thread stages a quad of, and where they begin to read: image, row, column.
    var origin: array<vec3i, 2>;
    for (var j = 0u; j < 2u; j += 1u) {
        let row = min(first_row + 32u * j + lane / 4u, p.rows - 1u);
        origin[j] = vec3i(
            i32(plane * p.images + row / (p.grid_h * p.grid_w)),
            i32(row / p.grid_w % p.grid_h * p.x_step_h) + p.x_first_h,
            i32(row % p.grid_w * p.x_step_w) + p.x_first_w,
        );
    }
    let team = team_of(lane, subgroup);
    var sum: array<Sum, 16>;
    clear(&sum, lane);
    let length = p.taps_h * p.taps_w * p.x_quads;
    for (var start = 0u; start < length; start += 4u) {
        let q = start + lane % 4u;
        let tap = q / p.x_quads;
        let step = vec2i(i32(tap / p.taps_w) * p.x_tap_h, i32(tap % p.taps_w) * p.x_tap_w);
        for (var j = 0u; j < 2u; j += 1u) {
            var v = vec4f();
            let at = origin[j].yz + step;
            if q < length && at.x >= 0 && at.x < i32(p.x_h) && at.y >= 0 && at.y < i32(p.x_w) {
                v = values(x[u32((origin[j].x * i32(p.x_h) + at.x) * i32(p.x_w) + at.y) * p.x_quads + q % p.x_quads]);
            }
            stage((32u * j + lane / 4u) * 16u + lane % 4u * 4u, v);
        }
        for (var j = 0u; j < 2u; j += 1u) {
            let value = 8u * j + lane / 16u;
            let wq = start + value / 4u;
            let w_tap = wq / p.x_quads;
            let r = p.w_first_h + w_tap / p.taps_w * p.w_tap_h;
            let s = p.w_first_w + w_tap % p.taps_w * p.w_tap_w;
            let begin = ((r * p.w_width + s) * p.x_quads + wq % p.x_quads) * 4u + value % 4u;
            var v = vec4f();
            if wq < length {
                v = values(w[plane * p.w_plane + begin * p.y_quads + min(first_k + lane % 16u, p.y_quads - 1u)]);
            }
            stage(RIGHT + value * 64u + lane % 16u * 4u, v);
        }
        workgroupBarrier();
        add_staged(&sum, team, lane);
        workgroupBarrier();
    }
    for (var half = 0u; half < 2u; half += 1u) {
        put_half(&sum, half, team, lane);
        workgroupBarrier();
        for (var t = lane; t < 512u; t += 128u) {
            let at = place_in_tile(t, half);
            let row = first_row + at.x;
            let k = first_k + at.y;
            if row < p.rows && k < p.y_quads {
                let to_h = row / p.grid_w % p.grid_h * p.y_step_h + p.y_first_h;
                let to_w = row % p.grid_w * p.y_step_w + p.y_first_w;
                let n = plane * p.images + row / (p.grid_h * p.grid_w);
                var v = quad_in_tile(t);
                if HAS_BIAS == 1u {
                    v += bias[k];
                }
                y[((n * p.y_h + to_h) * p.y_w + to_w) * p.y_quads + k] = stored(v);
            }
        }
        workgroupBarrier();
    }
}
