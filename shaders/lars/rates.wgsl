// rates[t] = (η |w| / (|g| + λ |w| + ε), λ) for every tensor t; (1, 0) where w or g is zero
//
// partials are sums of squares (w, g) by stretches; tensors[t] = (its first stretch, how many). One
// thread per tensor adds its stretches in their order.

#import grid

struct Params { tensors: u32, decay: f32, trust: f32, eps: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> tensors: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> rates: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let t = element(id, groups);
    if t >= p.tensors {
        return;
    }
    let at = tensors[t];
    var sums = vec4f();
    for (var s = at.x; s < at.x + at.y; s += 1u) {
        sums += partials[s];
    }
    let length = sqrt(sums);
    var rate = vec4f(1.0, 0.0, 0.0, 0.0);
    if length.x > 0.0 && length.y > 0.0 {
        rate.x = p.trust * length.x / (length.y + p.decay * length.x + p.eps);
        rate.y = p.decay;
    }
    rates[t] = rate;
}
