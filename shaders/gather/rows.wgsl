// y[r][j] = x[r][indices[r][j]], rows of D numbers; zeros where the index is negative or beyond L
//
// x is [A, L, D], indices [B, k], y [R, k, D] with A and B either R or 1: what there is one of serves
// every r. One thread per four numbers.

#import grid

struct Params {
    total: u32,   // R·k·quads
    rows: u32,    // A·L
    length: u32,  // L
    indices: u32, // B
    k: u32,
    quads: u32, // along D
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> indices: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let r = i / p.quads / p.k;
    let index = indices[(r % p.indices) * ((p.k + 3u) / 4u * 4u) + i / p.quads % p.k];
    let inside = index >= 0.0 && u32(index) < p.length;
    let row = (r * p.length) % p.rows + u32(select(0.0, index, inside));
    y[i] = select(vec4f(), x[row * p.quads + i % p.quads], inside);
}
