// The sum of weight_plain.wgsl as a tile in workgroup memory, for GPUs.
//
// A workgroup of 16 × 16 threads sums 64 rows × 64 output channels of dw over a part of the pixels, or, where SIZE is 2,
// 128 × 128; a row is one input channel of one tap. Sixteen pixels are staged at a time: each thread loads SIZE quads
// of x and SIZE of dy, then adds 16 rank-one updates to its 4 · SIZE rows × SIZE quads. 8 KiB · SIZE of workgroup
// memory, two barriers a stage. Planes are independent products in one launch, as in subgroup.wgsl.

#import grid
#import quads
#import values
#import conv2d/weight_params

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

const SIZE: u32 = 1u;

var<workgroup> tile_x: array<vec4f, 256u * SIZE>; // [16 pixels][16 · SIZE row quads]
var<workgroup> tile_d: array<vec4f, 256u * SIZE>; // [16 pixels][16 · SIZE quads]

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_quads = p.taps * p.x_quads;
    let tiles = (row_quads + 16u * SIZE - 1u) / (16u * SIZE);
    let tile = group_of(group, groups);
    let part = tile / tiles;
    if part >= p.parts {
        return;
    }
    let k_tiles = (p.y_quads + 16u * SIZE - 1u) / (16u * SIZE);
    let plane = group.z / k_tiles;
    let first_k = group.z % k_tiles * 16u * SIZE;
    let first_row = tile % tiles * 16u * SIZE;
    // A thread stages and computes quads tx and tx + 16, and stages pixel ty; it computes row quads ty and ty + 16.
    let tx = lane % 16u;
    let ty = lane / 16u;
    var sum: array<vec4f, 4u * SIZE * SIZE>;  // [SIZE row quads][4 rows][SIZE quads]
    let end = min((part + 1u) * p.chunk, p.pixels);
    for (var start = part * p.chunk; start < end; start += 16u) {
        let pixel = start + ty;
        for (var j = 0u; j < SIZE; j += 1u) {
            var v = vec4f();
            var d = vec4f();
            if pixel < end {
                let row = min(first_row + 16u * j + tx, row_quads - 1u);
                let begin = place(plane * p.pixels + pixel, row / p.x_quads);
                if begin >= 0 {
                    v = values(x[u32(begin) + row % p.x_quads]);
                }
                d = values(dy[(plane * p.pixels + pixel) * p.y_quads + min(first_k + 16u * j + tx, p.y_quads - 1u)]);
            }
            tile_x[(ty * SIZE + j) * 16u + tx] = v;
            tile_d[(ty * SIZE + j) * 16u + tx] = d;
        }
        workgroupBarrier();
        for (var i = 0u; i < 16u; i += 1u) {
            var b: array<vec4f, SIZE>;
            for (var j = 0u; j < SIZE; j += 1u) {
                b[j] = tile_d[(i * SIZE + j) * 16u + tx];
            }
            for (var r = 0u; r < SIZE; r += 1u) {
                let a = tile_x[(i * SIZE + r) * 16u + ty];
                for (var j = 0u; j < SIZE; j += 1u) {
                    sum[(r * 4u) * SIZE + j] += a.x * b[j];
                    sum[(r * 4u + 1u) * SIZE + j] += a.y * b[j];
                    sum[(r * 4u + 2u) * SIZE + j] += a.z * b[j];
                    sum[(r * 4u + 3u) * SIZE + j] += a.w * b[j];
                }
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < SIZE; r += 1u) {
        let row_quad = first_row + 16u * r + ty;
        let to = ((part * p.planes + plane) * row_quads + row_quad) * 4u;
        for (var m = 0u; m < 4u * SIZE; m += 1u) {
            let k = first_k + 16u * (m % SIZE) + tx;
            if row_quad < row_quads && k < p.y_quads {
                dw[(to + m / SIZE) * p.y_quads + k] = sum[r * 4u * SIZE + m];
            }
        }
    }
}
