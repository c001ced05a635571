// y[n,c] = Σ x[n,h,w,c] / (H·W) over h, w
//
// x is [N, H, W, C], y is [N, C]. A workgroup makes 256 / SLICES quads of y: SLICES threads take
// every SLICES-th pixel of one quad each, neighbouring threads take neighbouring quads, and the
// first slice adds the others' sums in order.

#import grid

const SLICES: u32 = 8u;
const QUADS: u32 = 256u / SLICES;

struct Params {
    total: u32, // N·quads
    quads: u32,
    pixels: u32, // H·W
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

var<workgroup> of_slice: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let i = group_of(group, groups) * QUADS + lane % QUADS;
    let slice = lane / QUADS;
    let image = i / p.quads;
    let base = image * p.pixels * p.quads + i - image * p.quads;
    let end = select(0u, p.pixels, i < p.total);
    var sum = vec4f();
    for (var pixel = slice; pixel < end; pixel += SLICES) {
        sum += x[base + pixel * p.quads];
    }
    of_slice[lane] = sum;
    workgroupBarrier();
    if slice == 0u && i < p.total {
        for (var other = 1u; other < SLICES; other += 1u) {
            sum += of_slice[lane + other * QUADS];
        }
        y[i] = sum / f32(p.pixels);
    }
}
