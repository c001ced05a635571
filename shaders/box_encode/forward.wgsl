// y = how far each reference box lies from its proposal, as a detector learns it
//
//   dx = wx (cx' − cx) / w     dw = ww log(w' / w)     and so for y and height,
//
// with the centre and the sides (cx, cy, w, h) of the proposal and those of the reference (').
// All are [n, 4], boxes by corners. One thread per box.

#import grid

struct Params { boxes: u32, wx: f32, wy: f32, ww: f32, wh: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> references: array<vec4f>;
@group(0) @binding(1) var<storage, read> proposals: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    if i >= p.boxes {
        return;
    }
    let to = references[i];
    let at = proposals[i];
    let to_size = to.zw - to.xy;
    let size = at.zw - at.xy;
    let away = 0.5 * ((to.xy - at.xy) + (to.zw - at.zw)) / size;
    y[i] = vec4f(p.wx, p.wy, p.ww, p.wh) * vec4f(away, log(to_size / size));
}
