// dbias[c] = Σ dy,  dweight[c] = Σ dy · x̂  over everything, and for each group what the gradient of x needs:
// centre[g, c] = mean of dy,  slope[g, c] = inverse · mean of dy · x̂   (both 0 under running statistics)
//
// partials: [groups, chunks, 2, C]   moments: [groups, 3, C]   shares: [groups, 2, C], centre and slope   dweight, dbias: [C]
// One thread takes four channels and adds the chunks in their order.

struct Params { groups: u32, rows: u32, chunks: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> moments: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dweight: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dbias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> shares: array<vec4f>;

const TRAINING: u32 = 1u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let q = id.x;
    if q >= p.quads {
        return;
    }
    var all_sums = vec4f();
    var all_products = vec4f();
    for (var g = 0u; g < p.groups; g += 1u) {
        var sum = vec4f();
        var product = vec4f();
        for (var chunk = 0u; chunk < p.chunks; chunk += 1u) {
            let at = (g * p.chunks + chunk) * 2u * p.quads + q;
            sum += partials[at];
            product += partials[at + p.quads];
        }
        all_sums += sum;
        all_products += product;
        let share = f32(TRAINING) / f32(p.rows);
        shares[2u * g * p.quads + q] = sum * share;
        shares[(2u * g + 1u) * p.quads + q] = product * moments[(3u * g + 1u) * p.quads + q] * share;
    }
    dbias[q] = all_sums;
    dweight[q] = all_products;
}
