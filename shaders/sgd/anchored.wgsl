// v ← μ v + g + λ w + α (w − w⁰),  w ← w − lr · v
//
// As step.wgsl, held to the anchor w⁰ by L²-SP, whose penalty is α/2 |w − w⁰|².
// A thread takes four times four numbers.

#import grid
#import quads
#import step

struct Params { quads: u32, momentum: f32, decay: f32, alpha: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read_write> w: array<Quad>;
@group(0) @binding(1) var<storage, read> g: array<Quad>;
@group(0) @binding(2) var<storage, read_write> v: array<Quad>;
@group(0) @binding(3) var<storage, read> anchor: array<Quad>;
@group(0) @binding(4) var<storage, read> now: Step;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    if now.skip == 1u {
        return;
    }
    let first = group_of(group, groups) * 1024u + lane;
    for (var i = first; i < min(first + 1024u, p.quads); i += 256u) {
        let old = quad(w[i]);
        let pull = p.decay * old + p.alpha * (old - quad(anchor[i]));
        let velocity = p.momentum * quad(v[i]) + (quad(g[i]) + pull);
        v[i] = packed(velocity);
        w[i] = packed(old - now.lr * velocity);
    }
}
