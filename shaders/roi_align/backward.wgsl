// grad_x[n][h][w][c] = Σ over the rois r of image n on this level, Σ over their bins (p, q)
//                  Y(p, h) X(q, w) dy[r][p][q][c] / samples of a bin
//
// where Y(p, h) = Σ over the bin's samples along y of what the row h has in each: 1 − its distance.
// Bilinear weights are a product of one along y and one along x, and so are their sums over a bin.
// Nothing is scattered: a pixel asks every roi, in order, so that the sum is always the same.
//
// grad_x is one map [N, H, W, C]; rois, levels and dy as in forward.wgsl. A workgroup has 8 × 8 pixels of 64
// channels, a thread 16 channels of a pixel, since what a roi gives to a pixel is the same for all
// channels. The threads first share out the question which rois touch these pixels at all, 2048 rois
// at a time, and note it as bits, which do not depend on who is first.

#import grid

const RATIO: u32 = 2u;
const HALF: u32 = 0u;
#import samples

struct Params {
    images: u32, // N
    rois: u32,   // K
    height: u32, // H
    width: u32,  // W
    scale: f32,  // pixels of the map in one of the image
    level: u32,  // number of the map
    out_height: u32, // P
    out_width: u32, // Q
    quads: u32, // along C
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> rois: array<vec4f>;
@group(0) @binding(1) var<storage, read> levels: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<vec4f>;

var<workgroup> touching: array<atomic<u32>, 64>;

// Share of pixel `at` in the samples of a bin along one axis.
fn part(at: f32, bin: u32, origin: f32, step: f32, count: u32, extent: f32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < count; i += 1u) {
        let v = origin + (f32(bin * count + i) + 0.5) * step;
        let share = max(0.0, 1.0 - abs(clamp(v, 0.0, extent - 1.0) - at));
        sum += select(0.0, share, v >= -1.0 && v <= extent);
    }
    return sum;
}

// The bins along one axis that may have samples within a pixel of `at`: from .x up to but not .y.
fn bins_near(at: f32, origin: f32, bin: f32, bins: u32) -> vec2u {
    if bin < 0.01 {
        return vec2u(0u, bins);
    }
    // A hundredth more on both sides, so that rounding loses none.
    let from_to = (vec2f(at - 1.01, at + 1.01) - origin) / bin;
    return vec2u(clamp(vec2f(floor(from_to.x), ceil(from_to.y)), vec2f(), vec2f(f32(bins))));
}

// Whether a roi has samples within a pixel of the 8 × 8 pixels at `tile`.
fn touches(roi: vec4f, tile: vec2f) -> bool {
    let bins = vec2f(f32(p.out_width), f32(p.out_height));
    let s = samples_of(roi, p.scale, bins);
    let end = s.origin + s.step * bins * vec2f(s.count);
    return all(s.origin <= tile + 8.01) && all(end >= tile - 1.01);
}

// Adds what a roi hands on to a pixel, in the thread's channels: quad, quad + 4, + 8 and + 12.
fn add(r: u32, at: vec2f, quad: vec4u, sum: array<vec4f, 4>) -> array<vec4f, 4> {
    let s = samples_of(rois[r], p.scale, vec2f(f32(p.out_width), f32(p.out_height)));
    let size = s.step * vec2f(s.count);
    let rows = bins_near(at.y, s.origin.y, size.y, p.out_height);
    let columns = bins_near(at.x, s.origin.x, size.x, p.out_width);
    let mean = 1.0 / f32(max(s.count.x * s.count.y, 1u));
    var total = sum;
    for (var v = rows.x; v < rows.y; v += 1u) {
        let in_row = mean * part(at.y, v, s.origin.y, s.step.y, s.count.y, f32(p.height));
        for (var u = columns.x; u < columns.y; u += 1u) {
            let share = in_row * part(at.x, u, s.origin.x, s.step.x, s.count.x, f32(p.width));
            if share > 0.0 {
                let bin = ((r * p.out_height + v) * p.out_width + u) * p.quads;
                total[0] += share * dy[bin + quad.x];
                total[1] += share * dy[bin + quad.y];
                total[2] += share * dy[bin + quad.z];
                total[3] += share * dy[bin + quad.w];
            }
        }
    }
    return total;
}

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let g = group_of(group, groups);
    let columns = (p.width + 7u) / 8u;
    let rows = (p.height + 7u) / 8u;
    let slices = (p.quads + 15u) / 16u;
    let image = g / slices / columns / rows;
    if image >= p.images {
        return;
    }
    let tile = 8u * vec2u(g / slices % columns, g / slices / columns % rows);
    let pixel = tile + vec2u(lane / 4u % 8u, lane / 32u);
    let exists = pixel.x < p.width && pixel.y < p.height;
    let quad = vec4u(g % slices * 16u + lane % 4u) + vec4u(0u, 4u, 8u, 12u);
    let near = min(quad, vec4u(p.quads - 1u));
    var sum = array<vec4f, 4>();
    for (var first = 0u; first < p.rois; first += 2048u) {
        if lane < 64u {
            atomicStore(&touching[lane], 0u);
        }
        workgroupBarrier();
        let end = min(first + 2048u, p.rois);
        for (var k = first + lane; k < end; k += 256u) {
            let level = levels[image * ((p.rois + 3u) / 4u * 4u) + k];
            if level == f32(p.level) && touches(rois[image * p.rois + k], vec2f(tile)) {
                atomicOr(&touching[(k - first) / 32u], 1u << (k % 32u));
            }
        }
        workgroupBarrier();
        for (var word = 0u; word < (end - first + 31u) / 32u; word += 1u) {
            var bits = atomicLoad(&touching[word]);
            while exists && bits != 0u {
                let k = first + 32u * word + firstTrailingBit(bits);
                sum = add(image * p.rois + k, vec2f(pixel), near, sum);
                bits &= bits - 1u;
            }
        }
        workgroupBarrier();
    }
    if exists {
        let base = ((image * p.height + pixel.y) * p.width + pixel.x) * p.quads;
        for (var i = 0u; i < 4u; i += 1u) {
            if quad[i] < p.quads {
                grad_x[base + quad[i]] = sum[i];
            }
        }
    }
}
