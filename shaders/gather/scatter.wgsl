// grad_x[a][l] = Σ dy[r][j] over the (r, j) that took row l of x[a]
//
// indices is [B, k] with B either R or 1, dy [R, k, D], grad_x [A, L, D], already zero: with A = R image r
// took from x[r], with A = 1 all took from one. A thread has four numbers of a row of dy. Where a row
// was taken more than once, the first thread adds for all of them, in order, so that no two threads
// write the same place. Cost: `list` reads of indices a thread.

#import grid

struct Params {
    total: u32,   // R·k·quads
    length: u32,  // L
    indices: u32, // B
    k: u32,
    list: u32,  // rows of dy for each a: k, or R·k where A = 1
    quads: u32, // along D
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> indices: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<vec4f>;

// The index of row t of dy.
fn index_of(t: u32) -> f32 {
    return indices[(t / p.k % p.indices) * ((p.k + 3u) / 4u * 4u) + t % p.k];
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let own = i / p.quads;
    let a = own / p.list;
    let index = index_of(own);
    // Held to the length as an integer: a compiler may take NaN for a number that is not too large.
    let row = u32(index);
    if index < 0.0 || row >= p.length {
        return;
    }
    for (var t = a * p.list; t < own; t += 1u) {
        if index_of(t) == index {
            return;
        }
    }
    var sum = dy[i];
    for (var t = own + 1u; t < (a + 1u) * p.list; t += 1u) {
        if index_of(t) == index {
            sum += dy[i + (t - own) * p.quads];
        }
    }
    grad_x[(a * p.length + row) * p.quads + i % p.quads] = sum;
}
