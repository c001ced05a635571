// A workgroup of 256 threads cut into teams of LANES neighbours, one team a row; the importing file
// declares LANES, a power of two. A team's lanes are added in order, so that the same numbers give
// the same sum. Every thread of the workgroup must call these.
var<workgroup> of_lane: array<vec4f, 256>;

// The sum of v over the caller's team, known to all of it.
fn sum_of_team(lane: u32, v: vec4f) -> vec4f {
    if LANES == 1u {
        return v;
    }
    of_lane[lane] = v;
    workgroupBarrier();
    let first = lane - lane % LANES;
    var total = vec4f();
    for (var i = 0u; i < LANES; i += 1u) {
        total += of_lane[first + i];
    }
    workgroupBarrier();
    return total;
}

// The largest component of v over the caller's team, known to all of it.
fn max_of_team(lane: u32, v: vec4f) -> f32 {
    var most = v;
    if LANES > 1u {
        of_lane[lane] = v;
        workgroupBarrier();
        let first = lane - lane % LANES;
        for (var i = 0u; i < LANES; i += 1u) {
            most = max(most, of_lane[first + i]);
        }
        workgroupBarrier();
    }
    return max(max(most.x, most.y), max(most.z, most.w));
}
