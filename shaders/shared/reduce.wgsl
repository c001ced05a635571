// Sums over a workgroup of 256 in a fixed order, so that the same numbers give the same sum.
var<workgroup> partial: array<vec4f, 256>;

// The sum of every thread's v, known to all threads. Every thread of the workgroup must call it.
fn sum_of_group(lane: u32, v: vec4f) -> vec4f {
    partial[lane] = v;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let total = partial[0];
    workgroupBarrier();
    return total;
}
