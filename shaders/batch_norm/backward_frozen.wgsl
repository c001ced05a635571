// grad_x = scale[c] · dz, where nothing of the batch moves the statistics, the weight or the bias
//
// dz is dy, or with RELU dy where y is positive; the gradient of a residual too, so that it is then written.
// dy, y, grad_x, dz: [rows, C]   moments: [1, 3, C], mean, inverse and scale. One thread takes four channels of eight rows.

#import grid
#import quads
#import values

struct Params { groups: u32, rows: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> dy: array<Values>;
@group(0) @binding(1) var<storage, read> y: array<Values>;
@group(0) @binding(2) var<storage, read> moments: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<Values>;
@group(0) @binding(4) var<storage, read_write> dz: array<Values>;

const RELU: u32 = 0u;
const RESIDUAL: u32 = 0u;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let q = i % p.quads;
    let block = i / p.quads;
    let s = moments[2u * p.quads + q];
    for (var row = block * 8u; row < min(block * 8u + 8u, p.rows); row += 1u) {
        let at = row * p.quads + q;
        var d = values(dy[at]);
        if RELU == 1u {
            d = select(vec4f(), d, values(y[at]) > vec4f());
        }
        if RESIDUAL == 1u {
            dz[at] = stored(d);
        }
        grad_x[at] = stored(s * d);
    }
}
