// The memory that coop_tile.wgsl stages in, number by number, so that a matrix may begin at any: Metal takes no other pointer.
// Compilers make stores of 128 bits of it.
var<workgroup> tile: array<Number, 8u * BUFFER>;

// Four terms of a row; places are in quads.
fn stage(at: u32, v: Cell) {
    tile[4u * at] = v.x;
    tile[4u * at + 1u] = v.y;
    tile[4u * at + 2u] = v.z;
    tile[4u * at + 3u] = v.w;
}

// Two terms of four rows, of which the first begins at `at`: the `pair`-th of each.
fn stage_pairs(at: u32, pair: u32, a: Cell, b: Cell) {
    for (var i = 0u; i < 4u; i += 1u) {
        let to = 4u * (at + i * PITCH) + 2u * pair;
        tile[to] = a[i];
        tile[to + 1u] = b[i];
    }
}

// Zeros where a cell is not inside, by a product: compilers choose number by number, and multiply two of f16 at a time. What is not
// inside was loaded where the buffer begins; where that is no finite number, neither are the gradients that it has a part in.
fn kept(v: Cell, inside: bool) -> Cell {
    return v * select(Number(0.0), Number(1.0), inside);
}

