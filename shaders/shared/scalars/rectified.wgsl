// max(0, v), and NaN where v is NaN, as in PyTorch: a loss shall show what went wrong below. It is asked of the bits, those of
// −0 to −∞, because a compiler that takes every number for one may turn `v <= 0` into a maximum, which loses NaN.
fn rectified(v: vec4f) -> vec4f {
    let negative = (bitcast<vec4u>(v) - vec4u(0x80000000u)) <= vec4u(0x7f800000u);
    return select(v, vec4f(), negative);
}
