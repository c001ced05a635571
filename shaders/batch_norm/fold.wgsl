// Partials folded into fewer ones of longer chunks: out[g, part] = what `fold` chunks of a group have together
//
// partials: [groups, chunks, 2, C]   out: [groups, parts, 2, C]
// With SUMS two sums, which are added; else mean and Σ (x − mean)², which are merged. One thread takes four channels of a part and
// its chunks in their order, so that the same numbers give the same bits; of many chunks several launches make a tree.

#import batch_norm/moments

struct Params { groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32, fold: u32, parts: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

const SUMS: u32 = 0u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.x + id.y * groups.x * 64u;
    let q = i % p.quads;
    let part = i / p.quads % p.parts;
    let g = i / (p.quads * p.parts);
    if g >= p.groups {
        return;
    }
    let first = part * p.fold;
    let end = min(first + p.fold, p.chunks);
    let begin = (g * p.chunks + first) * 2u * p.quads + q;
    let rows = f32(min(p.chunk, p.rows - first * p.chunk));
    var all = Moments(partials[begin], partials[begin + p.quads], rows);
    for (var chunk = first + 1u; chunk < end; chunk += 1u) {
        let at = (g * p.chunks + chunk) * 2u * p.quads + q;
        let own = f32(min(p.chunk, p.rows - chunk * p.chunk));
        let more = Moments(partials[at], partials[at + p.quads], own);
        if SUMS == 1u {
            all = Moments(all.mean + more.mean, all.squares + more.squares, all.count);
        } else {
            all = merged(all, more);
        }
    }
    let to = (g * p.parts + part) * 2u * p.quads + q;
    out[to] = all.mean;
    out[to + p.quads] = all.squares;
}
