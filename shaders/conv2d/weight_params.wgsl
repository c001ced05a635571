// What a weight gradient is told, and where its pixels lie.

struct Params {
    pixels: u32,                                  // images · P · Q
    chunk: u32,                                   // pixels of one part; of subgroup, whose tiles differ, unused
    parts: u32,
    p_h: u32, p_w: u32,                           // P, Q
    x_h: u32, x_w: u32, x_quads: u32,
    y_quads: u32,
    taps: u32, taps_w: u32,
    stride_h: u32, stride_w: u32, padding_h: u32, padding_w: u32, dilation_h: u32, dilation_w: u32,
    images: u32, planes: u32,                     // of a plane; of all
}
var<immediate> p: Params;

// Where the channels begin that output `pixel` reads at `tap`, or −1 in the padding.
fn place(pixel: u32, tap: u32) -> i32 {
    let h = i32(pixel / p.p_w % p.p_h * p.stride_h + tap / p.taps_w * p.dilation_h) - i32(p.padding_h);
    let w = i32(pixel % p.p_w * p.stride_w + tap % p.taps_w * p.dilation_w) - i32(p.padding_w);
    if h < 0 || h >= i32(p.x_h) || w < 0 || w >= i32(p.x_w) {
        return -1;
    }
    let n = pixel / (p.p_h * p.p_w);
    return i32(((n * p.x_h + u32(h)) * p.x_w + u32(w)) * p.x_quads);
}
