// db[k] = Σ over rows   dy[row, k]
//
// A workgroup sums four channels: each thread every 256th row, then the threads in a fixed order.

#import quads
#import reduce
#import values

struct Params { rows: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> dy: array<Values>;
@group(0) @binding(1) var<storage, read_write> db: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sum = vec4f();
    for (var row = lane; row < p.rows; row += 256u) {
        sum += values(dy[row * p.quads + group.x]);
    }
    let total = sum_of_group(lane, sum);
    if lane == 0u {
        db[group.x] = total;
    }
}
