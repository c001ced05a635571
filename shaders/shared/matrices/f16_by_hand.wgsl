// Matrices of f16 without an f16 of the adapter's own: two in a word.
alias Cell = vec2u;

// Quads of terms that are staged at a time: 256 bits.
const STAGE: u32 = 4u;

var<workgroup> tile: array<u32, 4u * BUFFER>;

// Four terms of a row; places are in quads.
fn stage(at: u32, v: Cell) {
    tile[2u * at] = v.x;
    tile[2u * at + 1u] = v.y;
}

// Two terms of four rows, of which the first begins at `at`: the `pair`-th of each.
fn stage_pairs(at: u32, pair: u32, a: Cell, b: Cell) {
    let to = 2u * at + pair;
    tile[to] = (a.x & 0xffffu) | (b.x << 16u);
    tile[to + 2u * PITCH] = (a.x >> 16u) | (b.x & 0xffff0000u);
    tile[to + 4u * PITCH] = (a.y & 0xffffu) | (b.y << 16u);
    tile[to + 6u * PITCH] = (a.y >> 16u) | (b.y & 0xffff0000u);
}

fn kept(v: Cell, inside: bool) -> Cell {
    return select(Cell(), v, inside);
}

fn four(at: u32) -> vec4f {
    return vec4f(unpack2x16float(tile[2u * at]), unpack2x16float(tile[2u * at + 1u]));
}

