// The mean of terms that many workgroups have summed and counted:
//
//   share = 1 / max(1, Σ counts)     loss = share · Σ sums
//
// partials is [groups, 2] of (sum, count), loss and share are [1]. One workgroup; each thread adds
// every 256th entry.

#import reduce

struct Params { groups: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> loss: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> share: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4f();
    for (var i = lane; i < p.groups; i += 256u) {
        sum += partials[i];
    }
    let total = sum_of_group(lane, sum);
    if lane == 0u {
        let s = 1.0 / max(1.0, total.y);
        loss[0] = vec4f(total.x * s, 0.0, 0.0, 0.0);
        share[0] = vec4f(s, 0.0, 0.0, 0.0);
    }
}
