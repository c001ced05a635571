// Tests for numbers that are finite, and for NaN. Both are asked of the bits, because a compiler may take every number for
// finite and then answer comparisons with NaN or infinity beforehand. They are for numbers as they were loaded: of a computed one a
// compiler may take even the bits for those of a finite one.
fn is_finite(v: vec4f) -> vec4<bool> {
    return (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) < vec4u(0x7f800000u);
}

fn is_nan(v: vec4f) -> vec4<bool> {
    return (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}
