// Independent chains of multiply-adds without memory traffic: what an adapter computes at most.
//
// With scale = offset = 1 every link adds 1 to its chain, exactly up to 2^24, so that the sums tell
// whether all links were made. A trip of the loop makes about 96 of them, whatever the number of
// chains, so that the loop itself does not count.

struct Params { trips: u32, scale: f32, offset: f32 }
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read_write> sums: array<vec4f>;

// 1, 2, 3, 4, 8 or 16.
const CHAINS: u32 = 8u;

// Every index is a constant, so the accumulators live in registers.
var<private> acc: array<vec4f, 16>;

// One link on every chain.
fn link() {
    let scale = vec4f(p.scale);
    let offset = vec4f(p.offset);
    acc[0] = fma(acc[0], scale, offset);
    if CHAINS > 1u {
        acc[1] = fma(acc[1], scale, offset);
    }
    if CHAINS > 2u {
        acc[2] = fma(acc[2], scale, offset);
    }
    if CHAINS > 3u {
        acc[3] = fma(acc[3], scale, offset);
    }
    if CHAINS > 4u {
        acc[4] = fma(acc[4], scale, offset);
        acc[5] = fma(acc[5], scale, offset);
        acc[6] = fma(acc[6], scale, offset);
        acc[7] = fma(acc[7], scale, offset);
    }
    if CHAINS > 8u {
        acc[8] = fma(acc[8], scale, offset);
        acc[9] = fma(acc[9], scale, offset);
        acc[10] = fma(acc[10], scale, offset);
        acc[11] = fma(acc[11], scale, offset);
        acc[12] = fma(acc[12], scale, offset);
        acc[13] = fma(acc[13], scale, offset);
        acc[14] = fma(acc[14], scale, offset);
        acc[15] = fma(acc[15], scale, offset);
    }
}

fn six() {
    link();
    link();
    link();
    link();
    link();
    link();
}

fn twelve() {
    six();
    six();
}

fn twenty_four() {
    twelve();
    twelve();
}

// 6 links for 16 chains, 12 for 8, 24 for 4 and 3, 48 for 2, 96 for 1.
fn trip() {
    six();
    if CHAINS < 16u {
        six();
    }
    if CHAINS < 8u {
        twelve();
    }
    if CHAINS < 3u {
        twenty_four();
    }
    if CHAINS < 2u {
        twenty_four();
        twenty_four();
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    // Every chain starts at another number, so that no compiler takes two for one.
    let first = vec4f(0.0, 1.0, 2.0, 3.0) + f32(lane);
    acc[0] = first + 0.0;
    acc[1] = first + 4.0;
    acc[2] = first + 8.0;
    acc[3] = first + 12.0;
    acc[4] = first + 16.0;
    acc[5] = first + 20.0;
    acc[6] = first + 24.0;
    acc[7] = first + 28.0;
    acc[8] = first + 32.0;
    acc[9] = first + 36.0;
    acc[10] = first + 40.0;
    acc[11] = first + 44.0;
    acc[12] = first + 48.0;
    acc[13] = first + 52.0;
    acc[14] = first + 56.0;
    acc[15] = first + 60.0;
    for (var i = 0u; i < p.trips; i += 1u) {
        trip();
    }
    let a = acc[0] + acc[1] + acc[2] + acc[3];
    let b = acc[4] + acc[5] + acc[6] + acc[7];
    let c = acc[8] + acc[9] + acc[10] + acc[11];
    let d = acc[12] + acc[13] + acc[14] + acc[15];
    sums[id.x] = a + b + c + d;
}
