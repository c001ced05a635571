// dx = scale[g, c] · (dy − centre[g, c] − (x − mean[g, c]) · slope[g, c])
//
// x, dy, dx: [groups · rows, C]. One thread takes four channels of eight rows.

#import grid
#import quads

struct Params { groups: u32, rows: u32, quads: u32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read> dy: array<Quad>;
@group(0) @binding(2) var<storage, read> mean: array<vec4f>;
@group(0) @binding(3) var<storage, read> scale: array<vec4f>;
@group(0) @binding(4) var<storage, read> centre: array<vec4f>;
@group(0) @binding(5) var<storage, read> slope: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dx: array<Quad>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = element(id, groups);
    let blocks = (p.rows + 7u) / 8u;
    let q = i % p.quads;
    let block = i / p.quads % blocks;
    let g = i / (p.quads * blocks);
    if g >= p.groups {
        return;
    }
    let channel = g * p.quads + q;
    let m = mean[channel];
    let a = scale[channel];
    let c = centre[channel];
    let s = slope[channel];
    let end = min(block * 8u + 8u, p.rows);
    for (var row = block * 8u; row < end; row += 1u) {
        let at = (g * p.rows + row) * p.quads + q;
        dx[at] = packed(a * (quad(dy[at]) - c - (quad(x[at]) - m) * s));
    }
}
