// y = T · x · Tᵀ for every tile and channel: the transforms of Winograd's convolution
//
// x: tiles of IN × IN   y: tiles of OUT × OUT   matrix T: [OUT, IN]
//
// A tile is a window of an image, or one element of each of IN × IN planes. Eight lanes of a subgroup
// make a tile, a column each: a lane loads its column and multiplies it by T, then T's other side
// takes the columns from the lanes. So a lane has 6 loads and 6 stores, not 36, and each number is moved
// once: moving is what such a driver is slow at that needs Winograd's convolution most.
// Needs subgroups of at least eight lanes.

#import grid
#import quads
#import conv2d/winograd/params

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Quad>;

const IN: u32 = 6u;
const OUT: u32 = 6u;
const HAS_BIAS: u32 = 0u;
// 1: x is read from its last element to its first.
const FLIPPED: u32 = 0u;

var<private> side: array<array<f32, IN>, OUT>;  // T, the same in every lane
var<private> mine: array<f32, IN>;              // row `lane` of T

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let chunks = (p.quads + p.chunk - 1u) / p.chunk;
    let task = group_of(group, groups);
    let tile = task / chunks;
    if tile >= p.tiles {
        return;
    }
    for (var i = 0u; i < IN; i += 1u) {
        mine[i] = matrix[min(lane, OUT - 1u) * IN + i];
    }
    for (var o = 0u; o < OUT; o += 1u) {
        for (var i = 0u; i < IN; i += 1u) {
            side[o][i] = subgroupShuffle(mine[i], o);
        }
    }
    let at = tile_at(tile);
    let column_of = select(lane, IN - 1u - lane, FLIPPED == 1u);
    let w = at.x.y + i32(column_of * p.x_dilation);
    let from_w = i32(at.x_quad) + w * i32(p.x_column);
    let within_w = lane < IN && w >= 0 && w < i32(p.x_w);
    let to_w = at.y.y + lane * p.y_dilation;
    let to = at.y_quad + at.y.x * p.y_row + to_w * p.y_column;
    let stores = lane < OUT && to_w < p.y_w;
    let first = task % chunks * p.chunk;
    for (var q = first; q < min(first + p.chunk, p.quads); q += 1u) {
        var column: array<vec4f, IN>;
        for (var i = 0u; i < IN; i += 1u) {
            let from_h = at.x.x + i32(select(i, IN - 1u - i, FLIPPED == 1u) * p.x_dilation);
            if within_w && from_h >= 0 && from_h < i32(p.x_h) {
                column[i] = quad(x[u32(from_w + from_h * i32(p.x_row)) + q]);
            }
        }
        for (var o = 0u; o < OUT; o += 1u) {
            var v = vec4f();
            for (var i = 0u; i < IN; i += 1u) {
                v += side[o][i] * column[i];
            }
            var sum = vec4f();
            for (var j = 0u; j < IN; j += 1u) {
                sum += mine[j] * subgroupShuffle(v, j);
            }
            if HAS_BIAS == 1u {
                sum += bias[q];
            }
            if stores && at.y.x + o * p.y_dilation < p.y_h {
                y[to + o * p.y_dilation * p.y_row + q] = packed(sum);
            }
        }
    }
}
