// mean, inverse = 1 / √(variance + eps), scale = weight · inverse   from the running statistics
//
// moments: [1, 3, C], mean, inverse and scale; the others [C]. One thread takes four channels. Evaluation's half of merge.wgsl.

struct Params { quads: u32, eps: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> running_mean: array<vec4f>;
@group(0) @binding(1) var<storage, read> running_var: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> moments: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let q = id.x;
    if q < p.quads {
        let invert = 1.0 / sqrt(running_var[q] + p.eps);
        moments[q] = running_mean[q];
        moments[p.quads + q] = invert;
        moments[2u * p.quads + q] = weight[q] * invert;
    }
}
