// The sum of weight_plain.wgsl as a register tile of a subgroup, without barriers.
//
// A workgroup is eight lanes of one subgroup and sums 16 rows × 64 output channels of dw over a part of
// the pixels; a row is one input channel of one tap. For four pixels at a time a lane loads 2 quads
// of rows at pixel lane % 4 (the lower lanes rows 0 … 7, the upper 8 … 15) and 4 × 2 quads of dy; then row by
// row the four pixels are handed to all lanes, and each lane adds the sum of four products to its
// two quads of that row. 10 loads of a quad serve 128 × 4 multiply-adds of vec4. Needs subgroups of at
// least eight lanes. Planes are independent problems in one launch, as in subgroup.wgsl.

#import grid
#import quads
#import values
#import conv2d/weight_params

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> dy: array<Values>;
@group(0) @binding(2) var<storage, read_write> dw: array<Quad>;

var<private> acc: array<vec4f, 32>;  // [16 rows][2 quads]
var<private> d: array<vec4f, 8>;     // [2 quads][4 pixels]

// One row: its values at the four pixels.
fn add(row: u32, v: vec4f) {
    acc[2u * row] += v.x * d[0] + v.y * d[1] + v.z * d[2] + v.w * d[3];
    acc[2u * row + 1u] += v.x * d[4] + v.y * d[5] + v.z * d[6] + v.w * d[7];
}

// Four rows, which four lanes hold, one pixel each. Every index is a constant once this is inlined,
// so that the accumulators live in registers.
fn add_four(first: u32, v: vec4f, lane: u32) {
    let q = transpose(mat4x4f(
        subgroupShuffle(v, lane), subgroupShuffle(v, lane + 1u),
        subgroupShuffle(v, lane + 2u), subgroupShuffle(v, lane + 3u),
    ));
    add(first, q[0]);
    add(first + 1u, q[1]);
    add(first + 2u, q[2]);
    add(first + 3u, q[3]);
}

// What a quad of rows adds to a pixel's place in x: rows and columns of pixels, quads of channels.
fn offset(row_quad: u32) -> vec3i {
    let tap = row_quad / p.x_quads;
    let r = tap / p.taps_w;
    return vec3i(
        i32(r * p.dilation_h) - i32(p.padding_h),
        i32((tap - r * p.taps_w) * p.dilation_w) - i32(p.padding_w),
        i32(row_quad - tap * p.x_quads),
    );
}

// Where the outputs begin and end, along one axis, that read a tap inside the image.
fn outputs_of(offset: i32, stride: u32, length: u32, outputs: u32) -> vec2u {
    let last = i32(length) - 1 - offset;
    if last < 0 {
        return vec2u();
    }
    return vec2u((u32(max(-offset, 0)) + stride - 1u) / stride, min(u32(last) / stride + 1u, outputs));
}

// A quad of rows at the output (n, h, w): zero in the padding and beyond the end.
fn load(at: vec3u, offset: vec3i, inside: bool) -> vec4f {
    let h = i32(at.y * p.stride_h) + offset.x;
    let w = i32(at.z * p.stride_w) + offset.y;
    let within = inside && h >= 0 && h < i32(p.x_h) && w >= 0 && w < i32(p.x_w);
    let place = ((i32(at.x * p.x_h) + h) * i32(p.x_w) + w) * i32(p.x_quads) + offset.z;
    return select(vec4f(), values(x[select(0, place, within)]), within);
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_quads = p.taps * p.x_quads;
    let tiles = (row_quads + 3u) / 4u;
    let tile = group_of(group, groups);
    let part = tile / tiles;
    if part >= p.parts {
        return;
    }
    // Rows and columns beyond the last repeat it and are not stored.
    let first = tile % tiles * 4u;
    let a = offset(min(first + lane / 4u * 2u, row_quads - 1u));
    let b = offset(min(first + lane / 4u * 2u + 1u, row_quads - 1u));
    let k_tiles = (p.y_quads + 15u) / 16u;
    let plane = group.z / k_tiles;
    let k = group.z % k_tiles * 16u + lane;
    let k0 = min(k, p.y_quads - 1u);
    let k1 = min(k + 8u, p.y_quads - 1u);
    // A tile of one tap sums over the rectangle of outputs that read it inside the image.
    var rows = vec2u(0u, p.p_h);
    var columns = vec2u(0u, p.p_w);
    if first / p.x_quads == min(first + 3u, row_quads - 1u) / p.x_quads {
        let of_tap = offset(first);
        rows = outputs_of(of_tap.x, p.stride_h, p.x_h, p.p_h);
        columns = outputs_of(of_tap.y, p.stride_w, p.x_w, p.p_w);
    }
    let height = rows.y - min(rows.x, rows.y);
    let width = columns.y - min(columns.x, columns.y);
    let pixels = p.images * height * width;
    let chunk = (pixels + 4u * p.parts - 1u) / (4u * p.parts) * 4u;
    let end = min((part + 1u) * chunk, pixels);
    // Image, row and column of this lane's pixel in the rectangle. To add four to it as to a number
    // of three digits saves divisions, which cost more than the sums.
    let h = max(height, 1u);
    let w = max(width, 1u);
    let start = part * chunk + lane % 4u;
    let row = start / w;
    var at = vec3u(row / h, row - row / h * h, start - row * w);
    let down = 4u / w;
    let four = vec3u(down / h, down - down / h * h, 4u - down * w);
    let corner = vec3u(plane * p.images, rows.x, columns.x);
    for (var pixel = part * chunk; pixel < end; pixel += 4u) {
        let inside = pixel + lane % 4u < end;
        let here = corner + at;
        let begin = select(0u, ((here.x * p.p_h + here.y) * p.p_w + here.z) * p.y_quads, inside);
        let d0 = subgroupBroadcast(begin, 0u);
        let d1 = subgroupBroadcast(begin, 1u);
        let d2 = subgroupBroadcast(begin, 2u);
        let d3 = subgroupBroadcast(begin, 3u);
        d = array(
            values(dy[d0 + k0]), values(dy[d1 + k0]), values(dy[d2 + k0]), values(dy[d3 + k0]),
            values(dy[d0 + k1]), values(dy[d1 + k1]), values(dy[d2 + k1]), values(dy[d3 + k1]),
        );
        let va = load(here, a, inside);
        let vb = load(here, b, inside);
        add_four(0u, va, 0u);
        add_four(4u, vb, 0u);
        add_four(8u, va, 4u);
        add_four(12u, vb, 4u);
        at += four;
        let next_row = u32(at.z >= w);
        at.z -= next_row * w;
        at.y += next_row;
        let next_image = u32(at.y >= h);
        at.y -= next_image * h;
        at.x += next_image;
    }
    let to_tile = ((part * p.planes + plane) * row_quads + first) * 4u;
    for (var i = 0u; i < 16u; i += 1u) {
        if first * 4u + i < row_quads * 4u {
            let to = (to_tile + i) * p.y_quads + k;
            if k < p.y_quads {
                dw[to] = packed(acc[2u * i]);
            }
            if k + 8u < p.y_quads {
                dw[to + 8u] = packed(acc[2u * i + 1u]);
            }
        }
    }
}
