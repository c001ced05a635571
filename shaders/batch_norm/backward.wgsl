// grad_x = scale[g, c] · (dz − centre[g, c] − (x − mean[g, c]) · slope[g, c])
//
// dz is dy, or with MASK dy where the normalised value, computed again, is positive.
// x, dy, grad_x: [groups · rows, C]   moments: [groups, 3, C], mean, inverse and scale   shares: [groups, 2, C], centre and slope
// One thread takes four channels of eight rows.

#import grid
#import quads
#import values

struct Params { groups: u32, rows: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read> moments: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> shares: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> grad_x: array<Values>;

const MASK: u32 = 0u;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let blocks = (p.rows + 7u) / 8u;
    let q = i % p.quads;
    let block = i / p.quads % blocks;
    let g = i / (p.quads * blocks);
    if g >= p.groups {
        return;
    }
    let m = moments[3u * g * p.quads + q];
    let s = moments[(3u * g + 2u) * p.quads + q];
    let b = bias[q];
    let centre = shares[2u * g * p.quads + q];
    let slope = shares[(2u * g + 1u) * p.quads + q];
    let end = min(block * 8u + 8u, p.rows);
    for (var row = block * 8u; row < end; row += 1u) {
        let at = (g * p.rows + row) * p.quads + q;
        let d = values(x[at]) - m;
        var dz = values(dy[at]);
        if MASK == 1u {
            dz = select(vec4f(), dz, d * s + b > vec4f());
        }
        grad_x[at] = stored(s * (dz - centre - d * slope));
    }
}
