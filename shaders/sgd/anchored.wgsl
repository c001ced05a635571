// v ← μ v + g + λ w + α (w − w⁰),  w ← w − lr · v
//
// As step.wgsl, held to the anchor w⁰ by L²-SP, whose penalty is α/2 |w − w⁰|².
// One thread per four numbers.

#import grid
#import step

struct Params { quads: u32, momentum: f32, decay: f32, alpha: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(3) var<storage, read> anchor: array<vec4f>;
@group(0) @binding(4) var<storage, read> now: Step;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.quads {
        let old = w[i];
        let pull = p.decay * old + p.alpha * (old - anchor[i]);
        let velocity = p.momentum * v[i] + (g[i] + pull);
        v[i] = velocity;
        w[i] = old - now.lr * velocity;
    }
}
