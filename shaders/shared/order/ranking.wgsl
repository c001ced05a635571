// Numbers as keys: whole numbers that compare as the floats do, so that bits can be counted and
// sorted. −0 is 0, NaN is above everything, so that it is seen, and LOWEST and −∞, which stand for
// "no candidate", are key 0.
const LOWEST: f32 = -3.4028234e38;

fn key_of(v: f32) -> u32 {
    let bits = bitcast<u32>(v);
    let size = bits & 0x7fffffffu;
    if size > 0x7f800000u {
        return 0xffffffffu;
    }
    if bits >= 0xff7fffffu {
        return 0u;
    }
    if size == 0u || bits == size {
        return size | 0x80000000u;
    }
    return ~bits;
}

// The number whose key this is; LOWEST for key 0.
fn value_of(key: u32) -> f32 {
    if key == 0u {
        return LOWEST;
    }
    return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u));
}
