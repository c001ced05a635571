// The sum of weight_plain.wgsl as a tile in workgroup memory (tile.wgsl), for GPUs: this file is what is staged and where the
// sums go.
//
// A row is one input channel of one tap, and a term one pixel: a stage takes eight, and a workgroup a part of them. While a
// stage is multiplied, the next one's loads are under way. A pixel moves by additions alone. Planes are independent products in
// one launch, as in subgroup.wgsl.

#import grid
#import quads
#import values
#import tile
#import conv2d/weight_params
#import weight_places

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

const ROWS: u32 = 64u;
const QUADS: u32 = 16u;

// Quads of rows that a thread stages; of dy's channels it is one.
const STAGED: u32 = ROWS / 4u / QUADS;

// What the taps and channels of this thread's quads of rows add to a place.
var<private> tap_h: array<i32, STAGED>;
var<private> tap_v: array<i32, STAGED>;
var<private> tap_x: array<i32, STAGED>;
// What is loaded and not yet staged; a quad of x in the padding or beyond the last pixel is not `inside`.
var<private> next_x: array<Values, STAGED>;
var<private> inside: array<bool, STAGED>;
var<private> next_d: Values;

fn load(at: Place, there: bool, from_d: u32, x_h: u32, x_w: u32) {
    for (var j = 0u; j < STAGED; j += 1u) {
        inside[j] = u32(at.h + tap_h[j]) < x_h && u32(at.v + tap_v[j]) < x_w && there;
        next_x[j] = x[select(0u, u32(at.x + tap_x[j]), inside[j])];
    }
    next_d = dy[from_d];
}

fn stage(buffer: u32, lane: u32) {
    for (var j = 0u; j < STAGED; j += 1u) {
        let v = select(vec4f(), values(next_x[j]), inside[j]);
        let to = buffer * (8u * ROWS) + rows_at(lane / QUADS, lane % QUADS + QUADS * j);
        tile_rows[to] = v.x;
        tile_rows[to + 1u] = v.y;
        tile_rows[to + 2u] = v.z;
        tile_rows[to + 3u] = v.w;
    }
    tile_columns[buffer * (8u * QUADS) + lane] = values(next_d);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_quads = p.taps * p.x_quads;
    let tiles = (row_quads + ROWS / 4u - 1u) / (ROWS / 4u);
    let cut = group_of(group, groups);
    let part = cut / tiles;
    if part >= p.parts {
        return;
    }
    let k_tiles = (p.y_quads + QUADS - 1u) / QUADS;
    let plane = group.z / k_tiles;
    let first_k = group.z % k_tiles * QUADS;
    let first_row = cut % tiles * (ROWS / 4u);
    // The loop reads these from registers.
    let x_h = p.x_h;
    let x_w = p.x_w;
    let y_quads = p.y_quads;
    for (var j = 0u; j < STAGED; j += 1u) {
        let row = min(first_row + lane % QUADS + QUADS * j, row_quads - 1u);
        let tap = row / p.x_quads;
        let tap_row = tap / p.taps_w;
        tap_h[j] = i32(tap_row * p.dilation_h) - i32(p.padding_h);
        tap_v[j] = i32((tap - tap_row * p.taps_w) * p.dilation_w) - i32(p.padding_w);
        tap_x[j] = (tap_h[j] * i32(x_w) + tap_v[j]) * i32(p.x_quads) + i32(row - tap * p.x_quads);
    }
    // A thread stages pixel lane / QUADS of the eight; beyond the last of the part it loads its first once more.
    let begin = part * p.chunk;
    let end = min(begin + p.chunk, p.pixels);
    var pixel = begin + lane / QUADS;
    let first = plane * p.pixels + min(pixel, end - 1u);
    let begin_d = first * y_quads + min(first_k + lane % QUADS, y_quads - 1u);
    var at = place_of(first);
    let by = moves(8u);
    let behind = place_at(0, i32(p.p_h), i32(p.p_w));
    var buffer = 0u;
    load(at, pixel < end, begin_d, x_h, x_w);
    stage(buffer, lane);
    for (var start = begin; start < end; start += 8u) {
        workgroupBarrier();
        pixel += 8u;
        at = moved(at, by, behind);
        load(at, pixel < end, begin_d + select(0u, (start + 8u - begin) * y_quads, pixel < end), x_h, x_w);
        add_staged(buffer, lane);
        buffer = 1u - buffer;
        stage(buffer, lane);
    }
    for (var m = 0u; m < 8u; m += 1u) {
        let row = first_row * 4u + row_of(m, lane);
        let to = ((part * p.planes + plane) * row_quads * 4u + row) * y_quads;
        for (var j = 0u; j < ACROSS; j += 1u) {
            let k = first_k + quad_of(j, lane);
            if row < row_quads * 4u && k < y_quads {
                dw[to + k] = sum[m * ACROSS + j];
            }
        }
    }
}
