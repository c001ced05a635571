// y = x / (1 − share) where a number drawn for the element is at least `share`, else 0
//
// The numbers are Philox's of key (seed) and counter (step, quad of the whole batch, stage, layer): the same launch on dy
// gives the gradient of x, so that no mask is kept. One thread per four elements.

#import grid
#import philox
#import step

// First counter of dropout's layers; those below belong to the views of films.
const LAYERS: u32 = 0x10000u;

// sample: quads of one sample of the batch
struct Params { quads: u32, share: f32, layer: u32, sample: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> now: Step;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i < p.quads {
        let counter = vec4u(now.step, now.first * p.sample + i, now.stage, LAYERS + p.layer);
        let u = uniform4(philox(vec2u(now.seed_low, now.seed_high), counter));
        y[i] = select(vec4f(), x[i] / (1.0 - p.share), u >= vec4f(p.share));
    }
}
