// db[part, k] = Σ over the rows of a part   dy[row, k]
//
// A workgroup sums four channels of a part: each thread every 256th row, then the threads in a fixed order. sum_parts.wgsl adds
// the parts.

#import quads
#import reduce
#import values

struct Params { rows: u32, part: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> dy: array<Values>;
@group(0) @binding(1) var<storage, read_write> db: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sum = vec4f();
    let first = group.y * p.part;
    let end = min(first + p.part, p.rows);
    for (var row = first + lane; row < end; row += 256u) {
        sum += values(dy[row * p.quads + group.x]);
    }
    let total = sum_of_group(lane, sum);
    if lane == 0u {
        db[group.y * p.quads + group.x] = total;
    }
}
