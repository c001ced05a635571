// The sum of weight_plain.wgsl by 8 × 8 matrices that a subgroup multiplies together, for adapters that list such.
//
// A workgroup of four subgroups of 32 sums 64 rows × 64 output channels of dw over a part of the pixels, as coop_tile.wgsl
// has it: this file is what is staged and where the sums go. A row is one input channel of one tap. Sixteen pixels are
// staged at a time: a thread loads two quads of x and two of dy, and the matrices of x are read transposed. 8 KiB of workgroup
// memory, two barriers a stage. Planes are independent products in one launch, as in subgroup.wgsl. Needs subgroups of 32
// lanes.

#import matrices
#import coop_tile
#import grid
#import quads
#import values
#import conv2d/weight_params

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

// In the tile x is [16 pixels][64 rows], and dy [16 pixels][64 channels].
fn rows_at(row: u32, pixel: u32, lane: u32) -> Left {
    return left_transposed(pixel * 64u + row, 64u, lane);
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
    let team = team_of(lane, subgroup);
    var sum: array<Sum, 16>;
    clear(&sum, lane);
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
            stage(RIGHT + to, d);
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
            let to = 4u * first_row + at.x;
            let k = first_k + at.y;
            if to < 4u * row_quads && k < p.y_quads {
                dw[((part * p.planes + plane) * row_quads * 4u + to) * p.y_quads + k] = quad_in_tile(t);
            }
        }
        workgroupBarrier();
    }
}
