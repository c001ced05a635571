// g ← g / scale; overflow ← 1 if any of them is infinite or no number
//
// A thread takes four times four numbers.

#import finite
#import grid
#import quads

struct Params { quads: u32 }
var<immediate> p: Params;

struct Scale { scale: f32, good: u32, overflow: atomic<u32>, skipped: u32 }

@group(0) @binding(0) var<storage, read_write> g: array<Quad>;
@group(0) @binding(1) var<storage, read_write> state: Scale;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let share = 1.0 / state.scale;
    var finite = true;
    let first = group_of(group, groups) * 1024u + lane;
    for (var i = first; i < min(first + 1024u, p.quads); i += 256u) {
        let of_scaled = quad(g[i]);
        let v = of_scaled * share;
        // The product is computed: a bound below the infinite is none that a compiler knows.
        let made = (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) < vec4u(0x7f7fffffu);
        finite = finite && all(is_finite(of_scaled)) && all(made);
        g[i] = packed(v);
    }
    if !finite {
        atomicStore(&state.overflow, 1u);
    }
}
