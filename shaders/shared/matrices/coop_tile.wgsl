// 64 rows × 64 channels of sums by 8 × 8 matrices (matrices.wgsl): each of four teams of 32 lanes has 32 × 32 of them as
// 4 × 4 sums. Sixteen terms of all rows and channels are staged at a time; for each 8 of them a team reads 4 + 4 matrices
// from workgroup memory for 16 products, 8192 multiply-adds. The importing file stages them, and declares
// `rows_at(row, term, lane) -> Left`: 8 rows from `row` on of 8 terms from `term` on, as it laid them into the tile.

// Where the right ones begin in the tile: [16 terms][64 channels].
const RIGHT: u32 = 1024u;

// The left ones, as the importing file lays them, and the right ones; in the end half of the sums at a time,
// [4 teams][16 rows][32 channels], since rows that follow one another here need not do so in what is written.
var<workgroup> tile: array<f32, 2048>;

fn stage(at: u32, v: vec4f) {
    tile[at] = v.x;
    tile[at + 1u] = v.y;
    tile[at + 2u] = v.z;
    tile[at + 3u] = v.w;
}

// The sums begin as zeros that are read like any matrix.
fn clear(sum: ptr<function, array<Sum, 16>>, lane: u32) {
    if lane < 16u {
        stage(4u * lane, vec4f());
    }
    workgroupBarrier();
    for (var i = 0u; i < 16u; i += 1u) {
        (*sum)[i] = sum_of(0u, 8u, lane);
    }
    workgroupBarrier();
}

// Adds the products of what is staged.
fn add_staged(sum: ptr<function, array<Sum, 16>>, team: u32, lane: u32) {
    for (var term = 0u; term < 16u; term += 8u) {
        var b: array<Right, 4>;
        for (var j = 0u; j < 4u; j += 1u) {
            b[j] = right(RIGHT + term * 64u + team % 2u * 32u + 8u * j, 64u, lane);
        }
        for (var i = 0u; i < 4u; i += 1u) {
            let a = rows_at(team / 2u * 32u + 8u * i, term, lane);
            for (var j = 0u; j < 4u; j += 1u) {
                (*sum)[4u * i + j] = multiply_add(a, b[j], (*sum)[4u * i + j]);
            }
        }
    }
}

// Sixteen of every team's rows: the tile's 512 quads of channels.
fn put_half(sum: ptr<function, array<Sum, 16>>, half: u32, team: u32, lane: u32) {
    for (var i = 0u; i < 2u; i += 1u) {
        for (var j = 0u; j < 4u; j += 1u) {
            put((*sum)[8u * half + 4u * i + j], (team * 16u + 8u * i) * 32u + 8u * j, 32u, lane);
        }
    }
}

// The row and the quad of channels of the 64 × 64 that quad `t` of a half is.
fn place_in_tile(t: u32, half: u32) -> vec2u {
    let team = t / 128u;
    return vec2u(team / 2u * 32u + 16u * half + t / 8u % 16u, team % 2u * 8u + t % 8u);
}

fn quad_in_tile(t: u32) -> vec4f {
    return vec4f(tile[4u * t], tile[4u * t + 1u], tile[4u * t + 2u], tile[4u * t + 3u]);
}
