// Four numbers of an activation as a buffer holds them, where they are f16: two in a word, so that an adapter needs no
// f16 of its own. Kernels compute in f32.
alias Values = vec2u;

fn values(v: Values) -> vec4f {
    return vec4f(unpack2x16float(v.x), unpack2x16float(v.y));
}

// Whether a number is beyond the largest f16, 65504, or none at all. It is asked of its bits, because a compiler may take
// every number for finite.
fn beyond(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x477fe000u;
}

// WGSL leaves open what pack2x16float makes of numbers beyond the largest f16; here they become infinite, and so does NaN,
// so that the loss scale learns of it.
fn half2(v: vec2f) -> u32 {
    var bits = pack2x16float(clamp(v, vec2f(-65504.0), vec2f(65504.0)));
    if beyond(v.x) {
        bits = (bits & 0xffff0000u) | 0x7c00u;
    }
    if beyond(v.y) {
        bits = (bits & 0xffffu) | 0x7c000000u;
    }
    return bits;
}

fn stored(v: vec4f) -> Values {
    return vec2u(half2(v.xy), half2(v.zw));
}

// Four numbers that stay f32 take two places.
const WORDS: u32 = 2u;

fn word(v: vec4f, i: u32) -> Values {
    return bitcast<vec2u>(select(v.xy, v.zw, i == 1u));
}
