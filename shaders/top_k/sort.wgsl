// Sorts the candidates that select.wgsl has picked: values and indices [R, k], as in short.wgsl.
//
// candidates is [R, 2, WIDTH]: keys, then places in the row. One workgroup per row.

#import grid
#import ranking

const WIDTH: u32 = 1024u; // a power of two, at least k
#import bitonic

struct Params { rows: u32, k: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> candidates: array<u32>;
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
    for (var i = lane; i < WIDTH; i += 256u) {
        keys[i] = candidates[2u * row * WIDTH + i];
        places[i] = candidates[(2u * row + 1u) * WIDTH + i];
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
