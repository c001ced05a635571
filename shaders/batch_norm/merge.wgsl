// mean[g, c], scale[g, c] = weight[c] / √(variance[g, c] + eps), and the running statistics
//
// partials: [groups, chunks, 2, C]   moments: [groups, 3, C], mean, inverse = 1 / √(variance + eps) and scale
//
// One thread takes four channels and merges the chunks of each group in their order. The normalising variance is squares / n; the
// running one squares / (n − 1), averaged over the groups.

#import batch_norm/moments

struct Params { groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32, eps: f32, momentum: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> running_mean: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> running_var: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> moments: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let q = id.x;
    if q >= p.quads {
        return;
    }
    var means = vec4f();
    var variances = vec4f();
    for (var g = 0u; g < p.groups; g += 1u) {
        let begin = g * p.chunks * 2u * p.quads + q;
        var all = Moments(partials[begin], partials[begin + p.quads], f32(min(p.chunk, p.rows)));
        for (var chunk = 1u; chunk < p.chunks; chunk += 1u) {
            let at = (g * p.chunks + chunk) * 2u * p.quads + q;
            let rows = f32(min(p.chunk, p.rows - chunk * p.chunk));
            all = merged(all, Moments(partials[at], partials[at + p.quads], rows));
        }
        let invert = 1.0 / sqrt(all.squares / all.count + p.eps);
        moments[3u * g * p.quads + q] = all.mean;
        moments[(3u * g + 1u) * p.quads + q] = invert;
        moments[(3u * g + 2u) * p.quads + q] = weight[q] * invert;
        means += all.mean;
        variances += all.squares / max(all.count - 1.0, 1.0);
    }
    let share = p.momentum / f32(p.groups);
    running_mean[q] = running_mean[q] * (1.0 - p.momentum) + means * share;
    running_var[q] = running_var[q] * (1.0 - p.momentum) + variances * share;
}
