// partial[g, chunk, c] = (mean, Σ (x − mean)²) of one chunk of the rows of group g
//
// x: [groups · rows, C]   partial: [groups, chunks, 2, C]
//
// One thread takes four channels of one chunk. It sums differences from the chunk's first row, so
// that a mean far from zero costs no digits.

#import quads
#import values

struct Params { groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.x + id.y * groups.x * 64u;
    let q = i % p.quads;
    let chunk = i / p.quads % p.chunks;
    let g = i / (p.quads * p.chunks);
    if g >= p.groups {
        return;
    }
    let begin = chunk * p.chunk;
    let end = min(begin + p.chunk, p.rows);
    let pivot = values(x[(g * p.rows + begin) * p.quads + q]);
    var sum = vec4f();
    var squares = vec4f();
    for (var row = begin + 1u; row < end; row += 1u) {
        let d = values(x[(g * p.rows + row) * p.quads + q]) - pivot;
        sum += d;
        squares += d * d;
    }
    let n = f32(end - begin);
    let at = (g * p.chunks + chunk) * 2u * p.quads + q;
    partials[at] = pivot + sum / n;
    partials[at + p.quads] = squares - sum * sum / n;
}
