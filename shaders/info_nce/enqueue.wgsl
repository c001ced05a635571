// queue[(begin + n) mod K] = keys[n], where begin is how many samples were before the batch, or, of the part of a
// batch that is cut, how many samples of the batch were before it
//
// keys is [N, D], queue [K, D], N ≤ K. One thread per four channels of a key.

#import grid
#import step

struct Params { size: u32, quads: u32, keys: u32, is_part: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> keys: array<vec4f>;
@group(0) @binding(1) var<storage, read> now: Step;
@group(0) @binding(2) var<storage, read_write> queue: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.size {
        let begin = select(now.samples - now.first, now.first, p.is_part == 1u);
        let row = (begin % p.keys + i / p.quads) % p.keys;
        queue[row * p.quads + i % p.quads] = keys[i];
    }
}
