// y[n][h][w] = (v − mean) · scale in three equal channels, v = film n at (h, w) of its view
//
// films is N words that say where each film begins and how deep it is, twice the number of its first word, plus 1 of a film of
// 16 bits; then the greys of each, the first in the lowest bits, and a word that is none's, for it is looked one pixel to either
// side of a film. Black is 0, white 255 or 65535. y is [N, H, W, 3]. The film is
// flipped, then rotated about its centre, then shifted; so a pixel of y looks back along the shift, the rotation and the flip,
// and interpolates between four pixels. What lies outside the film is 0, as torchvision fills it. Without flip, rotation and
// shift it looks exactly at its own pixel.
//
// A thread walks down a column of 32 pixels of one film: its view, the rotation and what depends on the column are worked
// out once, and no pixel costs a division of whole numbers. 2 to 4 loads and a store of a quad a pixel.

#import quads
#import rotation

struct Params { samples: u32, height: u32, width: u32, mean: f32, scale: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> films: array<u32>;
@group(0) @binding(1) var<storage, read> views: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<Quad>;

// Pixels that a thread walks.
const ROWS: u32 = 32u;

// A film's greys: of `bits` = 1 << log2 bits, `most` at most, the last of a word at bit `over`. The first is number `first` of all
// that words of such greys would hold.
struct Depth { log2: u32, bits: u32, most: u32, over: u32, first: u32 }

fn depth(place: u32) -> Depth {
    let deep = (place & 1u) == 1u;
    let log2 = select(3u, 4u, deep);
    let bits = 1u << log2;
    return Depth(log2, bits, (1u << bits) - 1u, 32u - bits, (place >> 1u) << (5u - log2));
}

// The greys at two places (x and y), then those to the right of each (z and w), which mostly lie in the word that is there already.
fn greys(film: Depth, at: vec2u) -> vec4f {
    let words = at >> vec2u(5u - film.log2);
    let offset = (at << vec2u(film.log2)) & vec2u(31u);
    let here = vec2u(films[words.x], films[words.y]) >> offset;
    var right = here >> vec2u(film.bits);
    let over = offset == vec2u(film.over);
    if any(over) {
        right = select(right, vec2u(films[words.x + 1u], films[words.y + 1u]), over);
    }
    return vec4f(vec4i(vec4u(here, right) & vec4u(film.most)));
}

// Whole numbers of either sign below 2²² as integers, those below 0 beyond 2³¹: added to 3 · 2²² they are the last bits of the
// sum. A conversion must also mind numbers that no integer is near to, which costs more than the rest of a pixel.
fn whole(v: vec2f) -> vec2u {
    return bitcast<vec2u>(v + 12582912.0) - 0x4b400000u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * 64u + lane;
    if column >= p.width {
        return;
    }
    let film = depth(films[group.z]);
    let deep = film.bits == 16u;
    // 257 steps of 16 bits make one of 8.
    let mean = p.mean * select(1.0, 257.0, deep);
    let scale = p.scale * select(1.0, 1.0 / 257.0, deep);
    let view = views[group.z];
    let size = vec2f(f32(p.width), f32(p.height));
    let last = vec2u(p.width, p.height) - 1u;
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
        // Rows inside the film, columns from one before it; what is not inside the film counts nothing.
        let low = min(first, last);
        let high = min(first + 1u, last);
        let of_low = select(vec2f(), 1.0 - share, low == first);
        let of_high = select(vec2f(), share, high == first + 1u);
        let x = u32(clamp(i32(first.x), -1, i32(last.x)));
        let v = greys(film, film.first + vec2u(low.y, high.y) * p.width + x);
        let above = of_low.x * v.x + of_high.x * v.z;
        let below = of_low.x * v.y + of_high.x * v.w;
        let z = (of_low.y * above + of_high.y * below - mean) * scale;
        y[(group.z * p.height + row) * p.width + column] = packed(vec4f(z, z, z, 0.0));
    }
}
