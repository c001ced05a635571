// y[r][j] = x[r][indices[r][j]], single numbers; 0 where the index is negative or beyond a row
//
// x is [A, …, C]; its numbers are counted through all axes but the first, without the zeros that fill
// the last one. indices is [B, k], y [R, k] with A and B either R or 1: what there is one of serves
// every r. One thread per number of y.

#import grid

struct Params {
    total: u32,    // R·k⌈4⌉
    numbers: u32,  // in all of x
    count: u32,    // in a row of x
    channels: u32, // C
    indices: u32,  // B
    k: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> indices: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let padded = (p.k + 3u) / 4u * 4u;
    let r = i / padded;
    let index = indices[(r % p.indices) * padded + i % padded];
    let inside = i % padded < p.k && index >= 0.0 && u32(index) < p.count;
    let number = (r * p.count) % p.numbers + u32(select(0.0, index, inside));
    let at = number / p.channels * ((p.channels + 3u) / 4u * 4u) + number % p.channels;
    y[i] = select(0.0, x[at], inside);
}
