// v with x as its i-th component. `v[i] = x` says the same, but Windows' FXC refuses a component that is written at an index known
// only at run time.
fn with_component(v: vec4f, i: u32, x: f32) -> vec4f {
    return select(v, vec4f(x), vec4u(i) == vec4u(0u, 1u, 2u, 3u));
}
