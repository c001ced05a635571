// partials[g, chunk, c] = (Σ dz, Σ dz · (x − mean) · inverse) over one chunk of the rows of group g
//
// dz is dy; with MASK 1 dy where the normalised value, computed again, is positive; with MASK 2 dy where y is, which
// is the gradient of a residual too, so that it is then written.
// x, dy, y, dz: [groups · rows, C]   moments: [groups, 3, C], mean, inverse and scale   partials: [groups, chunks, 2, C]
// One thread takes four channels of one chunk.

#import quads
#import values

struct Params { groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read> moments: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> y: array<Values>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dz: array<Values>;

const MASK: u32 = 0u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.x + id.y * groups.x * 64u;
    let q = i % p.quads;
    let chunk = i / p.quads % p.chunks;
    let g = i / (p.quads * p.chunks);
    if g >= p.groups {
        return;
    }
    let m = moments[3u * g * p.quads + q];
    let s = moments[(3u * g + 2u) * p.quads + q];
    let b = bias[q];
    var sum = vec4f();
    var product = vec4f();
    let end = min(chunk * p.chunk + p.chunk, p.rows);
    for (var row = chunk * p.chunk; row < end; row += 1u) {
        let at = (g * p.rows + row) * p.quads + q;
        let v = values(x[at]) - m;
        var d = values(dy[at]);
        if MASK == 1u {
            d = select(vec4f(), d, v * s + b > vec4f());
        }
        if MASK == 2u {
            d = select(vec4f(), d, values(y[at]) > vec4f());
            dz[at] = stored(d);
        }
        sum += d;
        product += d * v;
    }
    let at = (g * p.chunks + chunk) * 2u * p.quads + q;
    partials[at] = sum;
    partials[at + p.quads] = product * moments[(3u * g + 1u) * p.quads + q];
}
