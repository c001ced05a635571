// Four numbers of an activation as a buffer holds them, where they are f32. Needs `quads`; where a launch sets HALF,
// halves.wgsl stands in its place.
alias Values = Quad;

fn values(v: Values) -> vec4f {
    return quad(v);
}

fn stored(v: vec4f) -> Values {
    return packed(v);
}

// Four numbers that stay f32 where Values are f16: they take WORDS places.
const WORDS: u32 = 1u;

fn word(v: vec4f, i: u32) -> Values {
    return packed(v);
}
