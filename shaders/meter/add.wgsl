// last ← Σ part, sum ← sum + Σ part, parts ← parts + part, count ← count + 1, of a loss that is a sum of parts;
// fault ← step + 1 at the first loss with a part that is not finite
//
// Such a part, or a sum of finite ones that is none, is told by its exponent's bits, because compilers may take every
// number for finite. Its loss is neither summed nor counted. One thread.

#import step

struct Params { parts: u32 }
var<immediate> p: Params;

struct Meter { sum: f32, count: u32, fault: u32, last: f32, parts: vec4f }

// A binding beyond the last part has that part's memory.
@group(0) @binding(0) var<storage, read> first: array<u32>;
@group(0) @binding(1) var<storage, read> second: array<u32>;
@group(0) @binding(2) var<storage, read> third: array<u32>;
@group(0) @binding(3) var<storage, read> fourth: array<u32>;
@group(0) @binding(4) var<storage, read_write> meter: Meter;
@group(0) @binding(5) var<storage, read> now: Step;

const EXPONENT: u32 = 0x7f800000u;
const LARGEST: f32 = 3.4028234663852886e38;

@compute @workgroup_size(1)
fn main() {
    let bound = vec4u(first[0], second[0], third[0], fourth[0]);
    let bits = select(vec4u(), bound, vec4u(0u, 1u, 2u, 3u) < vec4u(p.parts));
    let parts = bitcast<vec4f>(bits);
    let loss = parts.x + parts.y + parts.z + parts.w;
    meter.last = loss;
    let exponents = vec4u(EXPONENT);
    // Of a computed number a compiler may take even its exponent's bits for those of a finite one; the sum of quarters is one.
    let quarters = 0.25 * parts;
    let summed = abs(quarters.x + quarters.y + quarters.z + quarters.w) <= 0.25 * LARGEST;
    if all((bits & exponents) != exponents) && summed {
        meter.sum += loss;
        meter.parts += parts;
        meter.count += 1u;
    } else if meter.fault == 0u {
        meter.fault = now.step + 1u;
    }
}
