// Samples of RoIAlign: a roi is cut into bins, a bin into `count` samples along each axis, which all
// lie `step` apart. The importing file declares RATIO (samples of a bin along each axis; 0: as many
// as a bin has pixels, rounded up) and HALF (1: pixel centres lie at whole numbers of the map, so that
// a roi is moved by half a pixel and may be smaller than one).
struct Samples {
    origin: vec2f, // the roi's corner (x, y), in pixels of the map
    step: vec2f,
    count: vec2u,
}

// Largest number of samples of a bin along an axis, so that a box beyond all measure keeps no loop running for ever.
const MOST: f32 = 4096.0;

// Pixels of a bin, ⌈size / bins⌉, at most MOST: a quotient that is off by its last bit is put right by products, which are rounded alike
// everywhere.
fn pixels_of_bin(size: vec2f, bins: vec2f) -> vec2u {
    let near = ceil(size / bins);
    let over = select(vec2f(), vec2f(1.0), (near - 1.0) * bins >= size);
    let under = select(vec2f(), vec2f(1.0), near * bins < size);
    return vec2u(clamp(near - over + under, vec2f(), vec2f(MOST)));
}

fn samples_of(roi: vec4f, scale: f32, bins: vec2f) -> Samples {
    let shift = select(0.0, 0.5, HALF == 1u);
    let least = select(1.0, 0.0, HALF == 1u);
    let corners = scale * roi - shift;
    let size = max(corners.zw - corners.xy, vec2f(least));
    let count = select(vec2u(RATIO), pixels_of_bin(size, bins), RATIO == 0u);
    return Samples(corners.xy, size / (bins * vec2f(max(count, vec2u(1u)))), count);
}
