// Movement of a film's pixels by a view (side, turns, right, down): a flip, a rotation about the
// centre, a shift by shares of width and height, in this order.

// (cos, sin) after further quarter turns.
fn rotated(r: vec2f, quarters: i32) -> vec2f {
    switch quarters & 3 {
        case 1: { return vec2f(-r.y, r.x); }
        case 2: { return -r; }
        case 3: { return vec2f(r.y, -r.x); }
        default: { return r; }
    }
}

// (cos, sin) of a number of turns. Vulkan lets its own sine be wrong by 2⁻¹¹, a fifth of a pixel at
// the edge of a film; so a series within an eighth of a turn, and quarter turns by exchange.
fn rotation(turns: f32) -> vec2f {
    let quarter = round(4.0 * turns);
    let x = (4.0 * turns - quarter) * 1.5707963267948966;
    let xx = x * x;
    let c = 1.0 + xx * (-1.0 / 2.0 + xx * (1.0 / 24.0 + xx * (-1.0 / 720.0 + xx / 40320.0)));
    let s = 1.0 + xx * (-1.0 / 6.0 + xx * (1.0 / 120.0 + xx * (-1.0 / 5040.0 + xx / 362880.0)));
    return rotated(vec2f(c, x * s), i32(quarter));
}

// Place of the film that a view shows at `here`, by pixel centres: back along the shift, the rotation
// and the flip. Without them it is exactly `here`.
fn seen(view: vec4f, size: vec2f, here: vec2f) -> vec2f {
    let centre = 0.5 * (size - 1.0);
    let d = here - centre - view.zw * size;
    let r = rotation(view.y);
    return centre + vec2f(view.x * (r.x * d.x - r.y * d.y), r.y * d.x + r.x * d.y);
}
