// mean[g, c], scale[g, c] = weight[c] / √(variance[g, c] + eps), and the running statistics
//
// partials: [groups, chunks, 2, C]   moments: [groups, 3, C], mean, inverse = 1 / √(variance + eps) and scale
//
// A workgroup takes sixteen channels, four a thread. Of each group, thread s of the 64 that share four channels merges the chunks
// s, s + 64, … in their order (Chan et al. 1983):
//   M ← M + m + d² · n·k / (n + k),   mean ← mean + d · k / (n + k),   d = chunk's mean − mean;
// then the threads are merged two by two, as a tree, so that the order is the same however many chunks there are.
// The normalising variance is M / n; the running one M / (n − 1), averaged over the groups.

struct Params { groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32, eps: f32, momentum: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> running_mean: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> running_var: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> moments: array<vec4f>;

// What a number of rows has: its mean, its squares of differences from that, and the number.
struct Moments { mean: vec4f, squares: vec4f, count: f32 }

var<workgroup> of_thread: array<Moments, 256>;

fn merged(a: Moments, b: Moments) -> Moments {
    if b.count == 0.0 {
        return a;
    }
    let all = a.count + b.count;
    let d = b.mean - a.mean;
    return Moments(
        a.mean + d * (b.count / all),
        a.squares + b.squares + d * d * (a.count * b.count / all),
        all,
    );
}

fn of_chunk(g: u32, chunk: u32, q: u32) -> Moments {
    let at = (g * p.chunks + chunk) * 2u * p.quads + q;
    return Moments(partials[at], partials[at + p.quads], f32(min(p.chunk, p.rows - chunk * p.chunk)));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let q = group.x * 4u + lane % 4u;
    let column = min(q, p.quads - 1u);
    let first = lane / 4u;
    var means = vec4f();
    var variances = vec4f();
    for (var g = 0u; g < p.groups; g += 1u) {
        var own = Moments();
        if first < p.chunks {
            own = of_chunk(g, first, column);
        }
        for (var chunk = first + 64u; chunk < p.chunks; chunk += 64u) {
            own = merged(own, of_chunk(g, chunk, column));
        }
        of_thread[lane] = own;
        workgroupBarrier();
        for (var half = 128u; half >= 4u; half /= 2u) {
            if lane < half {
                of_thread[lane] = merged(of_thread[lane], of_thread[lane + half]);
            }
            workgroupBarrier();
        }
        let all = of_thread[lane % 4u];
        workgroupBarrier();
        means += all.mean;
        variances += all.squares / max(all.count - 1.0, 1.0);
        if lane < 4u && q < p.quads {
            let invert = 1.0 / sqrt(all.squares / all.count + p.eps);
            moments[3u * g * p.quads + q] = all.mean;
            moments[(3u * g + 1u) * p.quads + q] = invert;
            moments[(3u * g + 2u) * p.quads + q] = weight[q] * invert;
        }
    }
    if lane < 4u && q < p.quads {
        let share = p.momentum / f32(p.groups);
        running_mean[q] = running_mean[q] * (1.0 - p.momentum) + means * share;
        running_var[q] = running_var[q] * (1.0 - p.momentum) + variances * share;
    }
}
