// y[n][j] = exp(x[n][j] − m) / Σ exp(x[n][i] − m),  m = max x[n]
//
// x and y are [N, L]. One thread per row, for rows of a few classes; the zeros that pad a row stay.

#import grid

struct Params { rows: u32, classes: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

fn exists(i: u32) -> vec4<bool> {
    return 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(p.classes);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let row = element(id, groups);
    if row >= p.rows {
        return;
    }
    let base = row * p.quads;
    var most = vec4f(x[base].x);
    for (var i = 0u; i < p.quads; i += 1u) {
        most = select(most, max(most, x[base + i]), exists(i));
    }
    let m = max(max(most.x, most.y), max(most.z, most.w));
    var sum = 0.0;
    for (var i = 0u; i < p.quads; i += 1u) {
        sum += dot(select(vec4f(), exp(x[base + i] - m), exists(i)), vec4f(1.0));
    }
    for (var i = 0u; i < p.quads; i += 1u) {
        y[base + i] = select(vec4f(), exp(x[base + i] - m) / sum, exists(i));
    }
}
