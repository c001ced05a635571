// halves.wgsl for DX12, which says that a number becomes an f16 by being cut, where others round: here it is rounded to the
// nearest, of two equally near to the even one, as IEEE 754 has it, by integers alone.
alias Values = vec2u;

fn values(v: Values) -> vec4f {
    return vec4f(unpack2x16float(v.x), unpack2x16float(v.y));
}

// The bits of the nearest f16; infinite where v is beyond the largest, 65504, or no number.
fn half_of(v: f32) -> u32 {
    let bits = bitcast<u32>(v);
    let a = bits & 0x7fffffffu;
    if a > 0x477fe000u {
        return 0x7c00u;
    }
    var h = (a - 0x38000000u + 0xfffu + ((a >> 13u) & 1u)) >> 13u;
    // Below 2⁻¹⁴ an f16 has fewer digits: a multiple of 2⁻²⁴.
    if a < 0x38800000u {
        let shift = min(126u - (a >> 23u), 31u);
        let digits = (a & 0x7fffffu) | 0x800000u;
        h = (digits + (1u << (shift - 1u)) - 1u + ((digits >> shift) & 1u)) >> shift;
    }
    return ((bits >> 16u) & 0x8000u) | h;
}

fn half2(v: vec2f) -> u32 {
    return half_of(v.x) | (half_of(v.y) << 16u);
}

fn stored(v: vec4f) -> Values {
    return vec2u(half2(v.xy), half2(v.zw));
}

// Four numbers that stay f32 take two places.
const WORDS: u32 = 2u;

fn word(v: vec4f, i: u32) -> Values {
    return bitcast<vec2u>(select(v.xy, v.zw, i == 1u));
}
