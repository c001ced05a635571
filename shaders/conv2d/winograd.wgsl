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

struct Params {
    tiles: u32, tiles_h: u32, tiles_w: u32,                   // all of them; those of an image
    quads: u32, chunk: u32,                                   // of a tile; those of a workgroup
    x_tile: u32, x_image: u32, x_row: u32, x_column: u32,     // quads of x from one to the next
    x_step: u32, x_first_h: i32, x_first_w: i32,              // element (i, j) of tile (h, w): first + step · (h, w) + (i, j)
    x_h: u32, x_w: u32,                                       // zeros lie around these
    y_tile: u32, y_image: u32, y_row: u32, y_column: u32,
    y_step: u32, y_h: u32, y_w: u32,
    x_dilation: u32, y_dilation: u32,                         // pixels between elements; each phase is an image of its own
}
var<immediate> p: Params;

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
    let row = tile / p.tiles_w;
    let image = row / p.tiles_h;
    let at = vec2u(row - image * p.tiles_h, tile - row * p.tiles_w);
    let column_of = select(lane, IN - 1u - lane, FLIPPED == 1u);
    let xd = i32(p.x_dilation);
    let x_image = image / (p.x_dilation * p.x_dilation);
    let x_phase = vec2i(vec2u(image / p.x_dilation % p.x_dilation, image % p.x_dilation));
    let h = (i32(at.x * p.x_step) + p.x_first_h) * xd + x_phase.x;
    let w = (i32(at.y * p.x_step + column_of) + p.x_first_w) * xd + x_phase.y;
    let from_w = i32(tile * p.x_tile + x_image * p.x_image) + w * i32(p.x_column);
    let within_w = lane < IN && w >= 0 && w < i32(p.x_w);
    let y_image = image / (p.y_dilation * p.y_dilation);
    let to_h = at.x * p.y_step * p.y_dilation + image / p.y_dilation % p.y_dilation;
    let to_w = (at.y * p.y_step + lane) * p.y_dilation + image % p.y_dilation;
    let to = tile * p.y_tile + y_image * p.y_image + to_h * p.y_row + to_w * p.y_column;
    let stores = lane < OUT && to_w < p.y_w;
    let first = task % chunks * p.chunk;
    for (var q = first; q < min(first + p.chunk, p.quads); q += 1u) {
        var column: array<vec4f, IN>;
        for (var i = 0u; i < IN; i += 1u) {
            let from_h = h + i32(select(i, IN - 1u - i, FLIPPED == 1u)) * xd;
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
            if stores && to_h + o * p.y_dilation < p.y_h {
                y[to + o * p.y_dilation * p.y_row + q] = packed(sum);
            }
        }
    }
}
