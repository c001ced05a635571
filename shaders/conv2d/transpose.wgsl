// out[t, k, c] = w[t, c, k]: weights in the order in which the input gradient reads them
//
// w: [taps, C, K]   out: [taps, K⌈4⌉, C]. One thread turns a block of 4 × 4.

#import grid
#import quads
#import values

struct Params { taps: u32, c_quads: u32, k_quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> w: array<Values>;
@group(0) @binding(1) var<storage, read_write> out: array<Values>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let k = i % p.k_quads;
    let c = i / p.k_quads % p.c_quads;
    let tap = i / (p.k_quads * p.c_quads);
    if tap >= p.taps {
        return;
    }
    let begin = (tap * p.c_quads + c) * 4u * p.k_quads + k;
    let block = transpose(mat4x4f(
        values(w[begin]),
        values(w[begin + p.k_quads]),
        values(w[begin + 2u * p.k_quads]),
        values(w[begin + 3u * p.k_quads]),
    ));
    let to = (tap * p.k_quads + k) * 4u * p.c_quads + c;
    out[to] = stored(block[0]);
    out[to + p.c_quads] = stored(block[1]);
    out[to + 2u * p.c_quads] = stored(block[2]);
    out[to + 3u * p.c_quads] = stored(block[3]);
}
