// partials[g, chunk, c] = (Σ dy, Σ dy · (x − mean) · inverse) over one chunk of the rows of group g
//
// x, dy: [groups · rows, C]   partials: [groups, chunks, 2, C]
// One thread takes four channels of one chunk.

struct Params { groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> mean: array<vec4f>;
@group(0) @binding(3) var<storage, read> inverse: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.x + id.y * groups.x * 64u;
    let q = i % p.quads;
    let chunk = i / p.quads % p.chunks;
    let g = i / (p.quads * p.chunks);
    if g >= p.groups {
        return;
    }
    let m = mean[g * p.quads + q];
    var sum = vec4f();
    var product = vec4f();
    let end = min(chunk * p.chunk + p.chunk, p.rows);
    for (var row = chunk * p.chunk; row < end; row += 1u) {
        let at = (g * p.rows + row) * p.quads + q;
        let d = dy[at];
        sum += d;
        product += d * (x[at] - m);
    }
    let at = (g * p.chunks + chunk) * 2u * p.quads + q;
    partials[at] = sum;
    partials[at + p.quads] = product * inverse[g * p.quads + q];
}
