// y[r][i] = scores[r][i] if no box before i that stays suppresses i, else LOWEST
//
// scores is [R, K], falling; overlaps [R, K, WORDS] as overlaps.wgsl makes it. One workgroup per row
// walks over blocks of 32 boxes. Within a block every thread finds out which of them stay, from the
// block's own 32 × 32 bits; then each thread takes other words and strikes out in them what those
// that stay suppress. A box whose score is LOWEST does not exist.

#import grid
#import ranking

const WORDS: u32 = 64u; // ⌈K / 32⌉

struct Params {
    rows: u32,  // R
    count: u32, // K
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> overlaps: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

var<workgroup> struck: array<u32, WORDS>; // bit i: box i is suppressed
var<workgroup> inner: array<u32, 32>; // overlaps within the block
var<workgroup> score: array<f32, 32>; // of the block's boxes

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let row = group_of(group, groups);
    if row >= p.rows {
        return;
    }
    let stride = (p.count + 3u) / 4u * 4u;
    for (var w = lane; w < WORDS; w += 256u) {
        struck[w] = 0u;
    }
    for (var block = 0u; block < WORDS; block += 1u) {
        let first = 32u * block;
        if lane < 32u {
            let i = min(first + lane, p.count - 1u);
            inner[lane] = overlaps[(row * p.count + i) * WORDS + block];
            score[lane] = select(LOWEST, scores[row * stride + i], first + lane < p.count);
        }
        workgroupBarrier();
        var out = struck[block];
        var stays = 0u;
        for (var b = 0u; b < 32u; b += 1u) {
            if (out >> b) % 2u == 0u && key_of(score[b]) > 0u {
                stays |= 1u << b;
                out |= inner[b];
            }
        }
        if lane < 32u && first + lane < stride {
            let kept = select(LOWEST, score[lane], (stays >> lane) % 2u == 1u);
            y[row * stride + first + lane] = select(0.0, kept, first + lane < p.count);
        }
        for (var w = block + 1u + lane; w < WORDS; w += 256u) {
            var bits = struck[w];
            for (var b = 0u; b < 32u; b += 1u) {
                let i = min(first + b, p.count - 1u);
                let word = overlaps[(row * p.count + i) * WORDS + w];
                bits |= select(0u, word, (stays >> b) % 2u == 1u);
            }
            struck[w] = bits;
        }
        workgroupBarrier();
    }
}
