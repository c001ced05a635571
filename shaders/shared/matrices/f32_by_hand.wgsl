// Matrices of f32, for by_hand.wgsl.
alias Number = f32;
alias Cell = vec4f;

// Quads of terms that are staged at a time: 256 bits.
const STAGE: u32 = 2u;

fn four(at: u32) -> vec4f {
    return vec4f(tile[4u * at], tile[4u * at + 1u], tile[4u * at + 2u], tile[4u * at + 3u]);
}

