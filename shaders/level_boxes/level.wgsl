// y[n, k] = the number of the feature map that box k of image n is read from; −1 for no box
//
//   ⌊4 + log2(√area / 224) + 1e-6⌋, held to the maps there are         (Lin et al. 2017, eq. 1)
//
// without a logarithm: a box is on the map whose number is the count of bounds that its area reaches. The
// bound between a map and the next, four times the one before, is `first` for the lowest two. boxes is
// [N, K, 4], y [N, K]. One thread per box, padding of y included; a box without area is none.

#import boxes
#import grid

struct Params { rows: u32, boxes: u32, box_quads: u32, bounds: u32, first: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> all: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let place = element(id, groups);
    let row = place / (4u * p.box_quads);
    let k = place % (4u * p.box_quads);
    if row >= p.rows {
        return;
    }
    var level = 0.0;
    if k < p.boxes {
        let box = all[row * p.boxes + k];
        var bound = p.first;
        for (var i = 0u; i < p.bounds; i += 1u) {
            level += select(0.0, 1.0, area(box) >= bound);
            bound *= 4.0;
        }
        level = select(level, -1.0, any(box.zw <= box.xy));
    }
    y[place] = level;
}
