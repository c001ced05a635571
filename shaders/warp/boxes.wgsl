// corners[n][g] = the upright box around what a view makes of box g of film n, clipped to the film
//
// boxes is [N, G·5] of (x1, y1, x2, y2, class) in pixels, a pixel reaching from its number to the next;
// views as draw.wgsl makes them; corners [N, G, 4], classes [N, G]. A box of which less than a pixel is
// left in width or height gets class −1, and places of class −1 get zeros. One thread per four boxes.

#import component
#import grid
#import rotation

struct Params { samples: u32, boxes: u32, height: u32, width: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> boxes: array<f32>;
@group(0) @binding(1) var<storage, read> views: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> corners: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> classes: array<vec4f>;

// Place at which a view shows a point of the film, both counted from the centre: the inverse of `seen`.
fn moved(view: vec4f, r: vec2f, point: vec2f) -> vec2f {
    let u = vec2f(view.x * point.x, point.y);
    return vec2f(r.x * u.x + r.y * u.y, r.x * u.y - r.y * u.x);
}

fn hull(view: vec4f, box: vec4f, size: vec2f) -> vec4f {
    let r = rotation(view.y);
    let from_centre = box - 0.5 * size.xyxy;
    let a = moved(view, r, from_centre.xy);
    let b = moved(view, r, from_centre.zy);
    let c = moved(view, r, from_centre.xw);
    let d = moved(view, r, from_centre.zw);
    let centre = 0.5 * size + view.zw * size;
    let low = centre + min(min(a, b), min(c, d));
    let high = centre + max(max(a, b), max(c, d));
    return clamp(vec4f(low, high), vec4f(), size.xyxy);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let width = (p.boxes + 3u) / 4u;
    let n = i / width;
    if n >= p.samples {
        return;
    }
    let view = views[n];
    let stride = (5u * p.boxes + 3u) / 4u * 4u;
    var left = vec4f();
    for (var c = 0u; c < 4u; c += 1u) {
        let g = i % width * 4u + c;
        if g < p.boxes {
            let at = n * stride + 5u * g;
            let box = vec4f(boxes[at], boxes[at + 1u], boxes[at + 2u], boxes[at + 3u]);
            let viewed = hull(view, box, vec2f(f32(p.width), f32(p.height)));
            let stays = boxes[at + 4u] >= 0.0 && all(viewed.zw - viewed.xy >= vec2f(1.0));
            left = with_component(left, c, select(-1.0, boxes[at + 4u], stays));
            corners[n * p.boxes + g] = select(vec4f(), viewed, stays);
        }
    }
    classes[i] = left;
}
