// grad_x[r, c] = dy[r, first + c]: the channels of one input of a concatenation
//
// grad_x is [R, C], dy is [R, all channels]. One thread per four channels of grad_x, which lie in one quad of
// dy, or in two where the inputs before have SHIFT channels in the first.

#import grid

const SHIFT: u32 = 0u; // channels of the first quad that belong to the inputs before

struct Params {
    total: u32, // R·quads
    quads: u32, // of grad_x
    channels: u32, // C
    y_quads: u32,
    first: u32, // the first quad of dy
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> grad_x: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let row = i / p.quads;
    let quad = i % p.quads;
    let at = row * p.y_quads + p.first + quad;
    let here = dy[at];
    var v = here;
    if SHIFT > 0u {
        // The quad behind the last holds none of x's channels: it need not be there.
        let behind = dy[min(at + 1u, row * p.y_quads + p.y_quads - 1u)];
        if SHIFT == 1u {
            v = vec4f(here.yzw, behind.x);
        } else if SHIFT == 2u {
            v = vec4f(here.zw, behind.xy);
        } else {
            v = vec4f(here.w, behind.xyz);
        }
    }
    let channel = 4u * quad + vec4u(0u, 1u, 2u, 3u);
    grad_x[i] = select(vec4f(), v, channel < vec4u(p.channels));
}
