// Boxes (x1, y1, x2, y2): how much of two boxes is common to both.
fn area(b: vec4f) -> f32 {
    return (b.z - b.x) * (b.w - b.y);
}

// Intersection over union, in torchvision's order of operations; 0 where nothing is common.
fn iou(a: vec4f, b: vec4f) -> f32 {
    let side = max(min(a.zw, b.zw) - max(a.xy, b.xy), vec2f());
    let both = side.x * side.y;
    if both <= 0.0 {
        return 0.0;
    }
    return both / (area(a) + area(b) - both);
}
