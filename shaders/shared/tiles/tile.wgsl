// Sums of products as a tile in workgroup memory: ROWS × 4 · QUADS of them, ROWS a multiple of 64 and QUADS of 16. The importing
// file says these two, stages eight terms of all rows and columns at a time, and stores the sums.
//
// A thread has 8 rows × ROWS / 64 quads, so that a stage has one quad of columns for each. A term costs it 3 reads of 16 bytes for
// 32 multiply-adds at 64 rows, 4 for 64 at 128. There are two buffers, 64 · (ROWS + 4 · QUADS) bytes together: the next terms
// are written while these are read, with one barrier a stage.

const ACROSS: u32 = ROWS / 64u;
const THREADS_ACROSS: u32 = QUADS / ACROSS;
const THREADS: u32 = 8u * QUADS;

var<workgroup> tile_rows: array<f32, 16u * ROWS>;        // [2 buffers][8 terms][ROWS]
var<workgroup> tile_columns: array<vec4f, 16u * QUADS>;  // [2 buffers][8 terms][QUADS]

// [8 rows][ACROSS quads]. Every index is a constant once loops are unrolled, so that they live in registers.
var<private> sum: array<vec4f, 8u * ACROSS>;

// Where a term's quad of rows begins among a buffer's numbers. The quads of the last four terms change places by fours: who
// stages a row's two quads of terms from neighbouring threads then writes to other banks of the memory with each.
fn rows_at(term: u32, quad: u32) -> u32 {
    return term * ROWS + 4u * (quad ^ (term & 4u));
}

// Adds one term; `rows` is in quads.
fn add_term(rows: u32, columns: u32) {
    var b: array<vec4f, ACROSS>;
    for (var j = 0u; j < ACROSS; j += 1u) {
        b[j] = tile_columns[columns + THREADS_ACROSS * j];
    }
    for (var m = 0u; m < 8u; m += 1u) {
        let a = tile_rows[4u * rows + ROWS / 2u * (m / 4u) + m % 4u];
        for (var j = 0u; j < ACROSS; j += 1u) {
            sum[m * ACROSS + j] += a * b[j];
        }
    }
}

// Adds what is staged in a buffer. Written out, because compilers do not unroll as much by themselves.
fn add_staged(buffer: u32, lane: u32) {
    let columns = buffer * (8u * QUADS) + lane % THREADS_ACROSS;
    let of_buffer = buffer * (2u * ROWS);
    let rows = of_buffer + lane / THREADS_ACROSS;
    add_term(rows, columns);
    add_term(rows + ROWS / 4u, columns + QUADS);
    add_term(rows + ROWS / 4u * 2u, columns + QUADS * 2u);
    add_term(rows + ROWS / 4u * 3u, columns + QUADS * 3u);
    let moved = of_buffer + ((lane / THREADS_ACROSS) ^ 4u);
    add_term(moved + ROWS / 4u * 4u, columns + QUADS * 4u);
    add_term(moved + ROWS / 4u * 5u, columns + QUADS * 5u);
    add_term(moved + ROWS / 4u * 6u, columns + QUADS * 6u);
    add_term(moved + ROWS / 4u * 7u, columns + QUADS * 7u);
}

// The row and the quad of columns of the tile that a thread's sum is.
fn row_of(m: u32, lane: u32) -> u32 {
    return m / 4u * (ROWS / 2u) + lane / THREADS_ACROSS * 4u + m % 4u;
}

fn quad_of(j: u32, lane: u32) -> u32 {
    return THREADS_ACROSS * j + lane % THREADS_ACROSS;
}
