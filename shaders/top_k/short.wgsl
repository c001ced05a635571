// The k largest numbers of every row, for rows of at most WIDTH ≤ 2048: a sort of the whole row.
//
// x is [R, …, C]; a row's numbers are counted through all axes but the first, without the zeros that
// fill the last one. values and indices are [R, k]: falling, of equal numbers the first one first;
// where a row has no more candidates, LOWEST and −1. One workgroup per row.

#import grid
#import ranking

const WIDTH: u32 = 1024u; // a power of two, at least `count` and k
#import bitonic

struct Params {
    rows: u32,     // R
    count: u32,    // numbers in a row
    channels: u32, // C
    quads: u32,    // along C
    k: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> indices: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let row = group_of(group, groups);
    if row >= p.rows {
        return;
    }
    let stride = p.count / p.channels * p.quads * 4u;
    for (var i = lane; i < WIDTH; i += 256u) {
        let at = i / p.channels * p.quads * 4u + i % p.channels;
        let exists = i < p.count;
        keys[i] = select(0u, key_of(x[row * stride + min(at, stride - 1u)]), exists);
        places[i] = i;
    }
    sort_pairs(lane);
    let padded = (p.k + 3u) / 4u * 4u;
    for (var i = lane; i < padded; i += 256u) {
        let from_row = min(i, WIDTH - 1u);
        let key = keys[from_row];
        let place = select(-1.0, f32(places[from_row]), key > 0u);
        values[row * padded + i] = select(0.0, value_of(key), i < p.k);
        indices[row * padded + i] = select(0.0, place, i < p.k);
    }
}
