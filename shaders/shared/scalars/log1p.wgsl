// log(1 + v) for 0 ≤ v ≤ 1, to a few units in the last place however small v is: there 1 + v would
// round to 1. It is 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + …) with s = v / (2 + v) ≤ 1/3; the terms left
// out are below 2e-8 of the sum.
fn log1p(v: vec4f) -> vec4f {
    let s = v / (2.0 + v);
    let t = s * s;
    var series = vec4f(1.0 / 13.0);
    series = series * t + 1.0 / 11.0;
    series = series * t + 1.0 / 9.0;
    series = series * t + 1.0 / 7.0;
    series = series * t + 1.0 / 5.0;
    series = series * t + 1.0 / 3.0;
    series = series * t + 1.0;
    return 2.0 * s * series;
}
