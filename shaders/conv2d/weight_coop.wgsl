// The sum of weight_plain.wgsl by matrices that a subgroup multiplies at once (coop_tile.wgsl): this file is what is staged and
// where the sums go.
//
// A row is one input channel of one tap, a column an output channel, and a term a pixel: a stage takes 4 · STAGE of them, and a
// workgroup a part. A thread loads LOAD quads of channels of two pixels that follow one another, 128 bits of each where quads of
// f16 come in twos, and stages the two numbers of each channel side by side. While a stage is multiplied, the next one's loads
// are under way. A pixel moves by additions alone. Planes are independent products in one launch, as in subgroup.wgsl.

#import matrices
#import coop_tile
#import grid
#import conv2d/weight_params
#import weight_places

const SIDE: u32 = 16u;
const ROWS: u32 = 128u;
const COLUMNS: u32 = 128u;
const BLOCK_ROWS: u32 = 64u;
const BLOCK_COLUMNS: u32 = 64u;
const THREADS: u32 = 128u;
const LOAD: u32 = 2u;

alias Load = array<Cell, LOAD>;

@group(0) @binding(0) var<storage, read> x: array<Load>;
@group(0) @binding(1) var<storage, read> dy: array<Load>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

// Pairs of pixels of a stage, groups of LOAD quads in a tile's rows and columns, and how often all threads load.
const PAIRS: u32 = 2u * STAGE;
const LEFT_GROUPS: u32 = ROWS / (4u * LOAD);
const RIGHT_GROUPS: u32 = COLUMNS / (4u * LOAD);
const LEFT_LOADS: u32 = (LEFT_GROUPS * PAIRS + THREADS - 1u) / THREADS;
const RIGHT_LOADS: u32 = (RIGHT_GROUPS * PAIRS + THREADS - 1u) / THREADS;

// Two pixels' loads.
alias Two = array<Load, 2>;

// What the taps and channels of this thread's loads of x add to a place, and where those of dy begin, in loads.
var<private> tap_h: array<i32, LEFT_LOADS>;
var<private> tap_v: array<i32, LEFT_LOADS>;
var<private> tap_x: array<i32, LEFT_LOADS>;
var<private> begin_d: array<u32, RIGHT_LOADS>;
// What is loaded and not yet staged; of x, what lies in the padding or beyond the last pixel is not `inside`.
var<private> next_x: array<Two, LEFT_LOADS>;
var<private> inside: array<array<bool, 2>, LEFT_LOADS>;
var<private> next_d: array<Two, RIGHT_LOADS>;

// `pixel` is counted from the plane's first on.
fn load(i: u32, at: Place, pixel: u32, there: bool, x_h: u32, x_w: u32, y_loads: u32) {
    for (var j = 0u; j < LEFT_LOADS; j += 1u) {
        inside[j][i] = u32(at.h + tap_h[j]) < x_h && u32(at.v + tap_v[j]) < x_w && there;
        next_x[j][i] = x[select(0u, u32(at.x + tap_x[j]), inside[j][i]) / LOAD];
    }
    for (var j = 0u; j < RIGHT_LOADS; j += 1u) {
        next_d[j][i] = dy[begin_d[j] + select(0u, pixel * y_loads, there)];
    }
}

// Which group of quads a thread's j-th load is of: four neighbouring threads load four groups, the next four of the next pair of
// pixels, so that writes of the staged numbers meet in few banks of the memory.
fn group_of_load(j: u32, lane: u32) -> u32 {
    return lane % 4u + lane / (4u * PAIRS) * 4u + THREADS / PAIRS * j;
}

// The first quads of all groups lie in the tile before their second ones.
fn quad_of(quad: u32, groups: u32) -> u32 {
    return quad % groups * LOAD + quad / groups;
}

fn stage_loaded(buffer: u32, lane: u32) {
    let pair = lane / 4u % PAIRS;
    for (var j = 0u; j < LEFT_LOADS; j += 1u) {
        if LEFT_GROUPS * PAIRS >= THREADS || lane < LEFT_GROUPS * PAIRS {
            for (var i = 0u; i < LOAD; i += 1u) {
                let row = 4u * (group_of_load(j, lane) + LEFT_GROUPS * i);
                let a = kept(next_x[j][0][i], inside[j][0]);
                let b = kept(next_x[j][1][i], inside[j][1]);
                stage_pairs(buffer * BUFFER + row * PITCH, pair, a, b);
            }
        }
    }
    for (var j = 0u; j < RIGHT_LOADS; j += 1u) {
        if RIGHT_GROUPS * PAIRS >= THREADS || lane < RIGHT_GROUPS * PAIRS {
            for (var i = 0u; i < LOAD; i += 1u) {
                let column = 4u * (group_of_load(j, lane) + RIGHT_GROUPS * i);
                stage_pairs(buffer * BUFFER + (ROWS + column) * PITCH, pair, next_d[j][0][i], next_d[j][1][i]);
            }
        }
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let row_quads = p.taps * p.x_quads;
    let tiles = (4u * row_quads + ROWS - 1u) / ROWS;
    let cut = group_of(group, groups);
    let part = cut / tiles;
    if part >= p.parts {
        return;
    }
    let k_tiles = (4u * p.y_quads + COLUMNS - 1u) / COLUMNS;
    let plane = group.z / k_tiles;
    let first_k = group.z % k_tiles * (COLUMNS / 4u);
    let first_row = cut % tiles * (ROWS / 4u);
    // The loop reads these from registers.
    let x_h = p.x_h;
    let x_w = p.x_w;
    let y_loads = p.y_quads / LOAD;
    for (var j = 0u; j < LEFT_LOADS; j += 1u) {
        let row = min(first_row + group_of_load(j, lane) * LOAD, row_quads - LOAD);
        let tap = row / p.x_quads;
        let tap_row = tap / p.taps_w;
        tap_h[j] = i32(tap_row * p.dilation_h) - i32(p.padding_h);
        tap_v[j] = i32((tap - tap_row * p.taps_w) * p.dilation_w) - i32(p.padding_w);
        tap_x[j] = (tap_h[j] * i32(x_w) + tap_v[j]) * i32(p.x_quads) + i32(row - tap * p.x_quads);
    }
    for (var j = 0u; j < RIGHT_LOADS; j += 1u) {
        let k = min(first_k + group_of_load(j, lane) * LOAD, p.y_quads - LOAD);
        begin_d[j] = plane * p.pixels * y_loads + k / LOAD;
    }
    let begin = part * p.chunk;
    let end = min(begin + p.chunk, p.pixels);
    let by = moves(4u * STAGE);
    let behind = place_at(0, i32(p.p_h), i32(p.p_w));
    let teams = teams_of(subgroups);
    for (var first = 0u; first < BLOCKS; first += teams) {
        let block = first + team_of(lane, subgroup);
        clear(lane);
        var pixel = begin + 2u * (lane / 4u % PAIRS);
        var one = place_of(plane * p.pixels + pixel);
        var other = place_of(plane * p.pixels + pixel + 1u);
        var buffer = 0u;
        load(0u, one, pixel, pixel < end, x_h, x_w, y_loads);
        load(1u, other, pixel + 1u, pixel + 1u < end, x_h, x_w, y_loads);
        stage_loaded(buffer, lane);
        for (var start = begin; start < end; start += 4u * STAGE) {
            workgroupBarrier();
            pixel += 4u * STAGE;
            one = moved(one, by, behind);
            other = moved(other, by, behind);
            load(0u, one, pixel, pixel < end, x_h, x_w, y_loads);
            load(1u, other, pixel + 1u, pixel + 1u < end, x_h, x_w, y_loads);
            add_staged(buffer, block, lane);
            buffer = 1u - buffer;
            stage_loaded(buffer, lane);
        }
        for (var i = 0u; i < DOWN * ACROSS; i += 1u) {
            put_sums(i, block, lane);
            for (var t = lane; t < QUADS * BLOCKS; t += THREADS) {
                let place = place_in_tile(t, i);
                let row = 4u * (first_row + quad_of(place.x / 4u, LEFT_GROUPS)) + place.x % 4u;
                let k = first_k + quad_of(place.y, RIGHT_GROUPS);
                if is_put(t, first, teams) && row < 4u * row_quads && k < p.y_quads {
                    dw[((part * p.planes + plane) * row_quads * 4u + row) * p.y_quads + k] = quad_of_sums(t);
                }
            }
        }
    }
}
