// σ(x) and σ(−x) = 1 − σ(x), each exact to rounding for any x: no difference of nearly equal
// numbers, no exponential that overflows.
fn sigmoid(x: f32) -> vec2f {
    let e = exp(-abs(x));
    let high = 1.0 / (1.0 + e);
    return select(vec2f(e * high, high), vec2f(high, e * high), x >= 0.0);
}
