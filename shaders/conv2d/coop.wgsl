// The sum of plain.wgsl by matrices that a subgroup multiplies at once (coop_tile.wgsl): this file is what is staged and where
// the sums go.
//
// Terms are the taps' channels, one long axis of quads, of which a stage takes STAGE. Here w has its inputs last,
// `[taps, K⌈4⌉, C]`, so that rows of x and rows of w are loaded and staged alike, LOAD quads at once: 128 bits, where quads of f16
// come in twos. While a stage is multiplied, the next one's loads are under way. A place on the axis moves by additions alone.
//
// Planes are independent products in one launch, as in subgroup.wgsl.

#import matrices
#import coop_tile
#import grid
#import quads
#import values
#import conv2d/sum_params
#import sum_places

const HAS_BIAS: u32 = 0u;
const SIDE: u32 = 16u;
const ROWS: u32 = 128u;
const COLUMNS: u32 = 128u;
const BLOCK_ROWS: u32 = 64u;
const BLOCK_COLUMNS: u32 = 64u;
const THREADS: u32 = 128u;
const LOAD: u32 = 2u;
// Whether a stage's quads may belong to several taps: then each thread has a place of its own.
const RAGGED: u32 = 1u;

alias Load = array<Cell, LOAD>;

@group(0) @binding(0) var<storage, read> x: array<Load>;
@group(0) @binding(1) var<storage, read> w: array<Load>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

// Loads of a row in a stage, rows that all threads load at once, and how often they do.
const LOADS: u32 = STAGE / LOAD;
const TOGETHER: u32 = THREADS / LOADS;
const LEFT_LOADS: u32 = ROWS / TOGETHER;
const RIGHT_LOADS: u32 = (COLUMNS + TOGETHER - 1u) / TOGETHER;

const NOWHERE: u32 = 0xffffffffu;

// Where each row of the tile begins in y, in quads; a row behind the last one is nowhere.
var<workgroup> begin_y: array<u32, ROWS>;

// In loads.
fn weights_at(tap: i32, quad: i32) -> u32 {
    return u32((tap * i32(4u * p.y_quads * p.x_quads) + quad) / i32(LOAD));
}

// The rows of x that this thread stages a load of: the row and column where they begin to read, and where that is in x, in quads;
// and where the rows of w begin, in loads.
var<private> begin: array<vec3i, LEFT_LOADS>;
var<private> begin_w: array<u32, RIGHT_LOADS>;
// What is loaded and not yet staged; of x, what lies in the padding is not `inside`.
var<private> next_x: array<Load, LEFT_LOADS>;
var<private> inside: array<bool, LEFT_LOADS>;
var<private> next_w: array<Load, RIGHT_LOADS>;

fn load(at: Place, there: bool, x_h: u32, x_w: u32) {
    for (var j = 0u; j < LEFT_LOADS; j += 1u) {
        inside[j] = u32(begin[j].x + at.h) < x_h && u32(begin[j].y + at.v) < x_w && there;
        next_x[j] = x[select(0u, u32(begin[j].z + at.x), inside[j]) / LOAD];
    }
    for (var j = 0u; j < RIGHT_LOADS; j += 1u) {
        next_w[j] = w[begin_w[j] + select(0u, at.w, there)];
    }
}

fn stage_loaded(buffer: u32, lane: u32) {
    let to = buffer * BUFFER + lane / LOADS * PITCH + lane % LOADS * LOAD;
    for (var j = 0u; j < LEFT_LOADS; j += 1u) {
        for (var i = 0u; i < LOAD; i += 1u) {
            stage(to + TOGETHER * PITCH * j + i, select(Cell(), next_x[j][i], inside[j]));
        }
    }
    for (var j = 0u; j < RIGHT_LOADS; j += 1u) {
        if COLUMNS >= TOGETHER || lane / LOADS < COLUMNS {
            for (var i = 0u; i < LOAD; i += 1u) {
                stage(to + (ROWS + TOGETHER * j) * PITCH + i, next_w[j][i]);
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
    let first_row = group_of(group, groups) * ROWS;
    if first_row >= p.rows {
        return;
    }
    let tiles = (4u * p.y_quads + COLUMNS - 1u) / COLUMNS;
    let plane = group.z / tiles;
    let first_k = group.z % tiles * (COLUMNS / 4u);
    // The loop reads these from registers.
    let x_h = p.x_h;
    let x_w = p.x_w;
    let x_quads = p.x_quads;
    let taps_w = p.taps_w;
    let length = p.taps_h * taps_w * x_quads;
    // Which of a stage's quads this thread stages.
    let own_quad = lane % LOADS * LOAD;
    for (var j = 0u; j < LEFT_LOADS; j += 1u) {
        let row = min(first_row + TOGETHER * j + lane / LOADS, p.rows - 1u);
        let h = i32(row / p.grid_w % p.grid_h * p.x_step_h) + p.x_first_h;
        let v = i32(row % p.grid_w * p.x_step_w) + p.x_first_w;
        let n = i32(plane * p.images + row / (p.grid_h * p.grid_w));
        begin[j] = vec3i(h, v, ((n * i32(x_h) + h) * i32(x_w) + v) * i32(x_quads) + i32(own_quad * (1u - RAGGED)));
    }
    let first_tap = (p.w_first_h * p.w_width + p.w_first_w) * 4u * p.y_quads;
    for (var j = 0u; j < RIGHT_LOADS; j += 1u) {
        let row = first_tap + min(4u * first_k + TOGETHER * j + lane / LOADS, 4u * p.y_quads - 1u);
        begin_w[j] = (plane * p.w_plane + row * x_quads + own_quad * (1u - RAGGED)) / LOAD;
    }
    for (var t = lane; t < ROWS; t += THREADS) {
        let row = first_row + t;
        let h = row / p.grid_w % p.grid_h * p.y_step_h + p.y_first_h;
        let v = row % p.grid_w * p.y_step_w + p.y_first_w;
        let n = plane * p.images + row / (p.grid_h * p.grid_w);
        begin_y[t] = select(NOWHERE, ((n * p.y_h + h) * p.y_w + v) * p.y_quads, row < p.rows);
    }
    var by = Moves(place_at(0, 0, i32(STAGE)), place_at(0, 1, -i32(x_quads)), place_at(1, -i32(taps_w), 0));
    if RAGGED == 1u {
        by.stage = place_of(STAGE);
    }
    let teams = teams_of(subgroups);
    for (var first = 0u; first < BLOCKS; first += teams) {
        let block = first + team_of(lane, subgroup);
        clear(lane);
        var at = place_of(own_quad * RAGGED);
        var buffer = 0u;
        var quad = 0u;
        if quad < length {
            load(at, own_quad * RAGGED < length, x_h, x_w);
            stage_loaded(buffer, lane);
        }
        while quad < length {
            workgroupBarrier();
            quad += STAGE;
            at = moved(at, by, x_quads, taps_w);
            // What is loaded behind the last stage nobody reads: that costs less than to ask.
            load(at, quad + own_quad * RAGGED < length, x_h, x_w);
            add_staged(buffer, block, lane);
            buffer = 1u - buffer;
            stage_loaded(buffer, lane);
        }
        for (var i = 0u; i < DOWN * ACROSS; i += 1u) {
            put_sums(i, block, lane);
            for (var t = lane; t < QUADS * BLOCKS; t += THREADS) {
                let place = place_in_tile(t, i);
                let to = begin_y[place.x];
                let k = first_k + place.y;
                if is_put(t, first, teams) && to != NOWHERE && k < p.y_quads {
                    var v = quad_of_sums(t);
                    if HAS_BIAS == 1u {
                        v += bias[k];
                    }
                    y[to + k] = stored(v);
                }
            }
        }
    }
}
