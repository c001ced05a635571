// Philox4x32-10 (Salmon et al. 2011): four random words as a pure function of key and counter,
// the same as `tensor::Philox` draws on the host.

// The 64-bit product of two words, as (low, high).
fn wide(a: u32, b: u32) -> vec2u {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let mid = a1 * b0 + (low >> 16u);
    let cross = a0 * b1 + (mid & 0xffffu);
    return vec2u((cross << 16u) | (low & 0xffffu), a1 * b1 + (mid >> 16u) + (cross >> 16u));
}

fn philox(key: vec2u, counter: vec4u) -> vec4u {
    var k = key;
    var c = counter;
    for (var round = 0u; round < 10u; round += 1u) {
        let a = wide(c.x, 0xD2511F53u);
        let b = wide(c.z, 0xCD9E8D57u);
        c = vec4u(b.y ^ c.y ^ k.x, b.x, a.y ^ c.w ^ k.y, a.x);
        k += vec2u(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// Four numbers in [0, 1): the upper 24 bits of each word, so that f32 holds them exactly.
fn uniform4(words: vec4u) -> vec4f {
    return vec4f(words >> vec4u(8u)) / 16777216.0;
}
