// y = (x − mean[g, c]) · scale[g, c] + bias[c], plus the residual if there is one; of that max(0, ·) with RELU
//
// x, residual, y: [groups · rows, C]   moments: [groups, 3, C], mean, inverse and scale
// One thread takes four channels of eight rows, so that it loads the channel's numbers once for eight.

#import grid
#import quads
#import rectified
#import values

struct Params { groups: u32, rows: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> moments: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read> residual: array<Values>;
@group(0) @binding(4) var<storage, read_write> y: array<Values>;

const RELU: u32 = 0u;
const RESIDUAL: u32 = 0u;

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
    let end = min(block * 8u + 8u, p.rows);
    for (var row = block * 8u; row < end; row += 1u) {
        let at = (g * p.rows + row) * p.quads + q;
        var v = (values(x[at]) - m) * s + b;
        if RESIDUAL == 1u {
            v += values(residual[at]);
        }
        if RELU == 1u {
            v = rectified(v);
        }
        y[at] = stored(v);
    }
}
