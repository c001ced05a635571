// Four numbers as a buffer holds them, `array<Quad>`, where a vec4f is moved number by number, lane by
// lane: two loads or stores of 64 bits then cost little more than half of four of 32.
alias Quad = vec2<u64>;

fn quad(q: Quad) -> vec4f {
    return bitcast<vec4f>(vec4u(u32(q.x), u32(q.x >> 32u), u32(q.y), u32(q.y >> 32u)));
}

fn packed(v: vec4f) -> Quad {
    let u = bitcast<vec4u>(v);
    return vec2(u64(u.x) | (u64(u.y) << 32u), u64(u.z) | (u64(u.w) << 32u));
}
