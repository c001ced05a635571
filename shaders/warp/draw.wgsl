// views[n] = (side, turns, right, down): how sample n of the batch is seen
//
// side is −1 for a film that is flipped and 1 for one that is not; turns is the rotation, counter-
// clockwise, in full turns; right and down are the shift in shares of the width and the height.
// A pure function of (seed, step, place in the whole batch, stage, view). 2u − 1 is exact, so that every number is rounded
// once and the host draws the same bits.
// One thread per sample.

#import grid
#import philox
#import step

struct Params { samples: u32, view: u32, flip: f32, turns: f32, shift: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> now: Step;
@group(0) @binding(1) var<storage, read_write> views: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let n = element(id, groups);
    if n < p.samples {
        let counter = vec4u(now.step, now.first + n, now.stage, p.view);
        let u = uniform4(philox(vec2u(now.seed_low, now.seed_high), counter));
        let span = 2.0 * u.yzw - vec3f(1.0);
        let side = select(1.0, -1.0, u.x < p.flip);
        views[n] = vec4f(side, span * vec3f(p.turns, p.shift, p.shift));
    }
}
