// Boxes (x1, y1, x2, y2): how much of two boxes is common to both.
fn area(b: vec4f) -> f32 {
    return (b.z - b.x) * (b.w - b.y);
}

// (intersection, union). Whether their quotient is above a threshold is asked as `intersection > threshold · union`, whose
// product is rounded alike everywhere: quotients are not.
fn both_and_union(a: vec4f, b: vec4f) -> vec2f {
    let side = max(min(a.zw, b.zw) - max(a.xy, b.xy), vec2f());
    let both = side.x * side.y;
    return vec2f(both, area(a) + area(b) - both);
}

// Intersection over union; 0 where nothing is common.
fn iou(a: vec4f, b: vec4f) -> f32 {
    let shares = both_and_union(a, b);
    if shares.x <= 0.0 {
        return 0.0;
    }
    return shares.x / shares.y;
}
