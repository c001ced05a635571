// Four numbers as a buffer holds them, `array<Quad>`, where a vec4f is moved at once.
alias Quad = vec4f;

fn quad(q: Quad) -> vec4f {
    return q;
}

fn packed(v: vec4f) -> Quad {
    return v;
}
