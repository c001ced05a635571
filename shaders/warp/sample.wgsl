// y[n][h][w] = (v − mean) / deviation in three equal channels, v = film n at (h, w) of its view
//
// films is a word that says the bits of a grey, 8 or 16, then the greys of [N, H, W] without padding, the first in the lowest
// bits; y [N, H, W, 3]. All of it is reckoned in 16 bits, to which 255 greys are widened exactly, 257 to each: mean and
// deviation are in them. The film is flipped, then rotated about its centre, then shifted; so a pixel of y looks back along the
// shift, the rotation and the flip, and interpolates between four pixels. What lies outside the film is 0, as torchvision
// fills it. Without flip, rotation and shift it looks exactly at its own pixel.
//
// A thread walks down a column of 32 pixels of one film: its view, the rotation and what depends on the column are worked
// out once, and no pixel costs a division of whole numbers. 4 loads and a store of a quad a pixel.

#import quads
#import rotation

struct Params { samples: u32, height: u32, width: u32, mean: f32, deviation: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> films: array<u32>;
@group(0) @binding(1) var<storage, read> views: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<Quad>;

// Pixels that a thread walks.
const ROWS: u32 = 32u;

// How greys lie in words: 1 << log2 of them in one, each below 1 << bits; a grey of it is `unit` of 16 bits.
struct Depth { bits: u32, log2: u32, most: u32, unit: f32 }

fn grey(depth: Depth, at: u32) -> f32 {
    let shifted = films[at >> depth.log2] >> ((at * depth.bits) & 31u);
    return f32(i32(shifted & depth.most)) * depth.unit;
}

// Whole numbers of either sign below 2²² as integers: added to 3 · 2²² they are the last bits of the sum. A conversion
// must also mind numbers that no integer is near to, which costs more than the rest of a pixel.
fn whole(v: vec2f) -> vec2i {
    return bitcast<vec2i>(v + 12582912.0) - 0x4b400000;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * 64u + lane;
    if column >= p.width {
        return;
    }
    let bits = films[0];
    let bytes = bits == 8u;
    let depth = Depth(bits, select(1u, 2u, bytes), (1u << bits) - 1u, select(1.0, 257.0, bytes));
    let film = group.z * p.height * p.width;
    // The word of the bits is before the first grey.
    let start = film + (1u << depth.log2);
    let view = views[group.z];
    let size = vec2f(f32(p.width), f32(p.height));
    let last = vec2i(i32(p.width), i32(p.height)) - 1;
    // As `seen` of rotation.wgsl, the column's part of it first.
    let r = rotation(view.y);
    let centre = 0.5 * (size - 1.0);
    let right = f32(column) - centre.x - view.z * size.x;
    let end = min(group.y * ROWS + ROWS, p.height);
    for (var row = group.y * ROWS; row < end; row += 1u) {
        let down = f32(row) - centre.y - view.w * size.y;
        let at = centre + vec2f(view.x * (r.x * right - r.y * down), r.y * right + r.x * down);
        let corner = floor(at);
        let share = at - corner;
        let first = whole(corner);
        // The nearest pixels inside the film; one that is not the pixel meant counts nothing.
        let low = clamp(first, vec2i(), last);
        let high = clamp(first + 1, vec2i(), last);
        let of_low = select(vec2f(), 1.0 - share, low == first);
        let of_high = select(vec2f(), share, high == first + 1);
        let above = start + u32(low.y) * p.width;
        let below = start + u32(high.y) * p.width;
        let v = of_low.y * (of_low.x * grey(depth, above + u32(low.x)) + of_high.x * grey(depth, above + u32(high.x)))
            + of_high.y * (of_low.x * grey(depth, below + u32(low.x)) + of_high.x * grey(depth, below + u32(high.x)));
        let z = (v - p.mean) / p.deviation;
        y[film + row * p.width + column] = packed(vec4f(z, z, z, 0.0));
    }
}
