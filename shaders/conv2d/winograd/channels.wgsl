// The transform of columns.wgsl with a thread a tile and channel: y = T · x · Tᵀ
//
// x, y and matrix T as there. Neighbouring threads have neighbouring channels, so that all lanes of a subgroup of any width compute,
// and read and write memory in one piece. A row of x is multiplied by T as it comes and added to the sums that it belongs to: a
// thread holds OUT · OUT + IN + OUT numbers.

#import grid
#import conv2d/winograd/params

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

const IN: u32 = 6u;
const OUT: u32 = 6u;
const HAS_BIAS: u32 = 0u;
// 1: x is read from its last element to its first.
const FLIPPED: u32 = 0u;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let e = element(id, groups);
    let channels = 4u * p.quads;
    let tile = e / channels;
    if tile >= p.tiles {
        return;
    }
    let channel = e - tile * channels;
    let at = tile_at(tile);
    var sum: array<f32, OUT * OUT>;
    for (var i = 0u; i < IN; i += 1u) {
        let h = at.x.x + i32(select(i, IN - 1u - i, FLIPPED == 1u) * p.x_dilation);
        var row: array<f32, IN>;
        for (var j = 0u; j < IN; j += 1u) {
            let w = at.x.y + i32(select(j, IN - 1u - j, FLIPPED == 1u) * p.x_dilation);
            if h >= 0 && h < i32(p.x_h) && w >= 0 && w < i32(p.x_w) {
                row[j] = x[4u * (at.x_quad + u32(h) * p.x_row + u32(w) * p.x_column) + channel];
            }
        }
        for (var o = 0u; o < OUT; o += 1u) {
            var v = 0.0;
            for (var j = 0u; j < IN; j += 1u) {
                v += matrix[o * IN + j] * row[j];
            }
            for (var k = 0u; k < OUT; k += 1u) {
                sum[k * OUT + o] += matrix[k * IN + i] * v;
            }
        }
    }
    for (var k = 0u; k < OUT; k += 1u) {
        for (var o = 0u; o < OUT; o += 1u) {
            let h = at.y.x + k * p.y_dilation;
            let w = at.y.y + o * p.y_dilation;
            if h < p.y_h && w < p.y_w {
                var v = sum[k * OUT + o];
                if HAS_BIAS == 1u {
                    v += bias[channel];
                }
                y[4u * (at.y_quad + h * p.y_row + w * p.y_column) + channel] = v;
            }
        }
    }
}
