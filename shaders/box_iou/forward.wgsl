// y[r][n][m] = intersection over union of a[r][n] and b[r][m]
//
// a is [A, N, 4] with A either R or 1 (the same boxes for every r), b [R, M, 4], y [R, N, M].
// One thread per four m.

#import boxes
#import component
#import grid

struct Params {
    total: u32, // R·N·⌈M / 4⌉
    boxes_a: u32, // A·N
    per_row: u32, // N
    columns: u32, // M
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.total {
        return;
    }
    let quads = (p.columns + 3u) / 4u;
    let one = a[(i / quads) % p.boxes_a];
    let first = i / quads / p.per_row * p.columns;
    var share = vec4f();
    for (var c = 0u; c < 4u; c += 1u) {
        let m = i % quads * 4u + c;
        if m < p.columns {
            share = with_component(share, c, iou(one, b[first + m]));
        }
    }
    y[i] = share;
}
