// dbias[c] = Σ dy,  dweight[c] = Σ dy · x̂  over everything, and for each group what the gradient of x needs:
// centre[g, c] = mean of dy,  slope[g, c] = inverse · mean of dy · x̂   (both 0 under running statistics)
//
// partials: [groups, chunks, 2, C]   moments: [groups, 3, C]   shares: [groups, 2, C], centre and slope   dweight, dbias: [C]
// A workgroup takes sixteen channels, four a thread. Of each group, thread s of the 64 that share four channels adds the chunks
// s, s + 64, … in their order; then the threads are added two by two, as a tree.

struct Params { groups: u32, rows: u32, chunks: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> moments: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dweight: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dbias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> shares: array<vec4f>;

const TRAINING: u32 = 1u;

// Σ dy and Σ dy · x̂.
var<workgroup> of_thread: array<mat2x4f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let q = group.x * 4u + lane % 4u;
    let column = min(q, p.quads - 1u);
    var all = mat2x4f();
    for (var g = 0u; g < p.groups; g += 1u) {
        var sums = mat2x4f();
        for (var chunk = lane / 4u; chunk < p.chunks; chunk += 64u) {
            let at = (g * p.chunks + chunk) * 2u * p.quads + column;
            sums += mat2x4f(partials[at], partials[at + p.quads]);
        }
        of_thread[lane] = sums;
        workgroupBarrier();
        for (var half = 128u; half >= 4u; half /= 2u) {
            if lane < half {
                of_thread[lane] += of_thread[lane + half];
            }
            workgroupBarrier();
        }
        let of_group = of_thread[lane % 4u];
        workgroupBarrier();
        all += of_group;
        if lane < 4u && q < p.quads {
            let share = f32(TRAINING) / f32(p.rows);
            let inverse = moments[(3u * g + 1u) * p.quads + q];
            shares[2u * g * p.quads + q] = of_group[0] * share;
            shares[(2u * g + 1u) * p.quads + q] = of_group[1] * inverse * share;
        }
    }
    if lane < 4u && q < p.quads {
        dbias[q] = all[0];
        dweight[q] = all[1];
    }
}
