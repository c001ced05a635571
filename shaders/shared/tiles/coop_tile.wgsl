// Sums of products as a tile of ROWS × COLUMNS, by matrices of SIDE × SIDE that a team of lanes multiplies at once (`matrices`).
// The importing file says these three, stages STAGE quads of terms of all rows and columns at a time, and stores the sums.
//
// A tile is cut into blocks of BLOCK_ROWS × BLOCK_COLUMNS, of which a team has one. Of how many lanes a team is, an adapter need
// not tell beforehand: THREADS are teams enough for all blocks if it is of the widest; where teams are fewer all the same, they
// take the blocks in rounds, each from the first term on, and where they are more, some only stage.
//
// A row's and a column's terms lie side by side, with a gap of 128 bits behind them, so that lanes that read 128 bits of
// different rows read other banks of the memory. There are two buffers, 96 · (ROWS + COLUMNS) bytes together: the next terms are
// written while these are read, with one barrier a stage. The sums leave one matrix of each block at a time.

const DOWN: u32 = BLOCK_ROWS / SIDE;
const ACROSS: u32 = BLOCK_COLUMNS / SIDE;
const BLOCKS_ACROSS: u32 = COLUMNS / BLOCK_COLUMNS;
const BLOCKS: u32 = ROWS / BLOCK_ROWS * BLOCKS_ACROSS;

// Quads from a row to the next, and quads of a buffer.
const PITCH: u32 = STAGE + STAGE / 2u;
const BUFFER: u32 = (ROWS + COLUMNS) * PITCH;

// Quads of a matrix.
const QUADS: u32 = SIDE * SIDE / 4u;

var<workgroup> sums: array<f32, 4u * QUADS * BLOCKS>;  // [BLOCKS][SIDE][SIDE]

// Every index is a constant once loops are unrolled, so that they live in registers.
var<private> sum: array<Sum, DOWN * ACROSS>;

// The sums begin as zeros that are read like any matrix.
fn clear(lane: u32) {
    workgroupBarrier();
    for (var i = lane; i < 4u * QUADS; i += THREADS) {
        sums[i] = 0.0;
    }
    workgroupBarrier();
    for (var i = 0u; i < DOWN * ACROSS; i += 1u) {
        sum[i] = first_sum(lane);
    }
}

// Adds what is staged in a buffer to a block's sums.
fn add_staged(buffer: u32, block: u32, lane: u32) {
    if block >= BLOCKS {
        return;
    }
    let rows = buffer * BUFFER + block / BLOCKS_ACROSS * BLOCK_ROWS * PITCH;
    let columns = buffer * BUFFER + (ROWS + block % BLOCKS_ACROSS * BLOCK_COLUMNS) * PITCH;
    for (var quad = 0u; quad < STAGE; quad += SIDE / 4u) {
        var b: array<Right, ACROSS>;
        for (var j = 0u; j < ACROSS; j += 1u) {
            b[j] = right(columns + SIDE * j * PITCH + quad, lane);
        }
        for (var i = 0u; i < DOWN; i += 1u) {
            let a = left(rows + SIDE * i * PITCH + quad, lane);
            for (var j = 0u; j < ACROSS; j += 1u) {
                sum[i * ACROSS + j] = multiply_add(a, b[j], sum[i * ACROSS + j], lane);
            }
        }
    }
}

// Lays the i-th matrix of each team's block where all can read it.
fn put_sums(i: u32, block: u32, lane: u32) {
    workgroupBarrier();
    if block < BLOCKS {
        put(sum[i], block * 4u * QUADS, lane);
    }
    workgroupBarrier();
}

// The row and the quad of columns of the tile that quad t of the i-th matrices is.
fn place_in_tile(t: u32, i: u32) -> vec2u {
    let block = t / QUADS;
    return vec2u(
        block / BLOCKS_ACROSS * BLOCK_ROWS + i / ACROSS * SIDE + t % QUADS / (SIDE / 4u),
        (block % BLOCKS_ACROSS * BLOCK_COLUMNS + i % ACROSS * SIDE) / 4u + t % (SIDE / 4u),
    );
}

// Whether quad t is of a block that the teams have had since block `first`.
fn is_put(t: u32, first: u32, teams: u32) -> bool {
    return t / QUADS >= first && t / QUADS < first + teams;
}

fn quad_of_sums(t: u32) -> vec4f {
    return vec4f(sums[4u * t], sums[4u * t + 1u], sums[4u * t + 2u], sums[4u * t + 3u]);
}
