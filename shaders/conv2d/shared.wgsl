// The sum of plain.wgsl as a tile in workgroup memory (tile.wgsl), for GPUs: this file is what is staged and where the sums go.
//
// The taps' channels are one long axis of quads, of which a stage takes two (eight terms), and a workgroup all or, where p.parts
// is not 1, a part, whose sums go to memory as f32 for sum_parts.wgsl to add. While a stage is multiplied, the next one's loads
// are under way. A place on the axis moves by additions alone.
//
// Planes are independent products in one launch, as in subgroup.wgsl.

#import grid
#import quads
#import values
#import tile
#import conv2d/sum_params
#import sum_places

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> w: array<Values>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

const HAS_BIAS: u32 = 0u;
const IN_PARTS: u32 = 0u;
const ROWS: u32 = 64u;
const QUADS: u32 = 16u;
// Whether x's quads are odd in number: then a stage's two may belong to two taps, and each thread has places of its own.
const ODD: u32 = 1u;

// Quads of x that a thread stages; of w it is one.
const STAGED: u32 = 2u * ROWS / THREADS;

// In quads.
fn weights_at(tap: i32, quad: i32) -> u32 {
    return u32(tap * i32(p.x_quads) + quad) * 4u * p.y_quads;
}

// The rows of x that this thread stages a quad of: the row and column where they begin to read, and where that is in x.
var<private> begin: array<vec3i, STAGED>;
// What is loaded and not yet staged; a quad of x in the padding is not `inside`.
var<private> next_x: array<Values, STAGED>;
var<private> inside: array<bool, STAGED>;
var<private> next_w: Values;

fn load(at: Place, in_x: bool, from_w: u32, x_h: u32, x_w: u32) {
    for (var j = 0u; j < STAGED; j += 1u) {
        inside[j] = u32(begin[j].x + at.h) < x_h && u32(begin[j].y + at.v) < x_w && in_x;
        next_x[j] = x[select(0u, u32(begin[j].z + at.x), inside[j])];
    }
    next_w = w[from_w];
}

fn stage(buffer: u32, place_x: u32, lane: u32) {
    for (var j = 0u; j < STAGED; j += 1u) {
        let v = select(vec4f(), values(next_x[j]), inside[j]);
        let to = buffer * (8u * ROWS) + place_x + THREADS / 2u * j;
        tile_rows[to] = v.x;
        tile_rows[to + ROWS] = v.y;
        tile_rows[to + 2u * ROWS] = v.z;
        tile_rows[to + 3u * ROWS] = v.w;
    }
    tile_columns[buffer * (8u * QUADS) + lane] = values(next_w);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let cut = group_of(group, groups);
    let tiles = (p.rows + ROWS - 1u) / ROWS;
    let part = cut / tiles;
    if part >= p.parts {
        return;
    }
    let first_row = cut % tiles * ROWS;
    let k_tiles = (p.y_quads + QUADS - 1u) / QUADS;
    let plane = group.z / k_tiles;
    let first_k = group.z % k_tiles * QUADS;
    // The loop reads these from registers.
    let x_h = p.x_h;
    let x_w = p.x_w;
    let x_quads = p.x_quads;
    let y_quads = p.y_quads;
    let taps_w = p.taps_w;
    let length = p.taps_h * taps_w * x_quads;
    var quad = 2u * part * p.chunk;
    let end = min(quad + 2u * p.chunk, length);
    // Which of a stage's two quads this thread stages of x and of w's rows. Where they are of one tap, it has the place of the
    // first, and begins with its own.
    let of_x = lane % 2u;
    let of_w = lane / (4u * QUADS);
    var at = place_of(quad + of_x * ODD);
    var at_w = at;
    if ODD == 1u {
        at_w = place_of(quad + of_w);
    }
    for (var j = 0u; j < STAGED; j += 1u) {
        let row = min(first_row + THREADS / 2u * j + lane / 2u, p.rows - 1u);
        let h = i32(row / p.grid_w % p.grid_h * p.x_step_h) + p.x_first_h;
        let v = i32(row % p.grid_w * p.x_step_w) + p.x_first_w;
        let n = i32(plane * p.images + row / (p.grid_h * p.grid_w));
        begin[j] = vec3i(h, v, ((n * i32(x_h) + h) * i32(x_w) + v) * i32(x_quads) + i32(of_x * (1u - ODD)));
    }
    let begin_w = plane * p.w_plane + min(first_k + lane % QUADS, y_quads - 1u)
        + ((p.w_first_h * p.w_width + p.w_first_w) * x_quads * 4u + lane / QUADS - 4u * of_w * ODD) * y_quads;
    // Where it stages its first row's four terms.
    let place_x = rows_at(of_x * 4u, lane / 8u) + lane / 2u % 4u;
    var by = Moves(place_at(0, 0, 2), place_at(0, 1, -i32(x_quads)), place_at(1, -i32(taps_w), 0));
    if ODD == 1u {
        by.stage = place_of(2u);
    }
    var buffer = 0u;
    if quad < end {
        load(at, ODD == 0u || quad + of_x < length, begin_w + select(0u, at_w.w, quad + of_w * ODD < length), x_h, x_w);
        stage(buffer, place_x, lane);
    }
    while quad < end {
        workgroupBarrier();
        quad += 2u;
        at = moved(at, by, x_quads, taps_w);
        if ODD == 1u {
            at_w = moved(at_w, by, x_quads, taps_w);
        } else {
            at_w = at;
        }
        // What is loaded behind the last stage nobody reads: that costs less than to ask.
        load(at, ODD == 0u || quad + of_x < length, begin_w + select(0u, at_w.w, quad + of_w * ODD < length), x_h, x_w);
        add_staged(buffer, lane);
        buffer = 1u - buffer;
        stage(buffer, place_x, lane);
    }
    let of_part = part * (groups.z / k_tiles * p.images * p.y_h * p.y_w * y_quads);
    for (var half = 0u; half < 2u; half += 1u) {
        // Four rows that follow one another: image, row and column.
        let row = first_row + row_of(4u * half, lane);
        let line = row / p.grid_w;
        var to = vec3u(line / p.grid_h, line % p.grid_h, row - line * p.grid_w);
        for (var m = 0u; m < 4u; m += 1u) {
            let h = to.y * p.y_step_h + p.y_first_h;
            let v = to.z * p.y_step_w + p.y_first_w;
            let begin_y = (((plane * p.images + to.x) * p.y_h + h) * p.y_w + v) * y_quads;
            for (var j = 0u; j < ACROSS; j += 1u) {
                let k = first_k + quad_of(j, lane);
                if row + m < p.rows && k < y_quads {
                    var s = sum[(4u * half + m) * ACROSS + j];
                    if HAS_BIAS == 1u {
                        s += bias[k];
                    }
                    if IN_PARTS == 1u {
                        for (var i = 0u; i < WORDS; i += 1u) {
                            y[WORDS * (of_part + begin_y + k) + i] = word(s, i);
                        }
                    } else {
                        y[begin_y + k] = stored(s);
                    }
                }
            }
            to.z += 1u;
            let next_line = u32(to.z == p.grid_w);
            to.z -= next_line * p.grid_w;
            to.y += next_line;
            let next_image = u32(to.y == p.grid_h);
            to.y -= next_image * p.grid_h;
            to.x += next_image;
        }
    }
}
