// sum ← sum + loss, count ← count + 1, last ← loss, for each loss in turn;
// fault ← step + 1 at the first loss that is not finite
//
// Such a loss is told by its exponent's bits, because compilers may take every number for finite.
// It is neither summed nor counted. One thread.

#import step

struct Params { losses: u32 }
var<immediate> p: Params;

struct Meter { sum: f32, count: u32, fault: u32, last: u32, pad: vec4u }

@group(0) @binding(0) var<storage, read> loss: array<u32>;
@group(0) @binding(1) var<storage, read_write> meter: Meter;
@group(0) @binding(2) var<storage, read> now: Step;

@compute @workgroup_size(1)
fn main() {
    for (var i = 0u; i < p.losses; i += 1u) {
        let bits = loss[i];
        meter.last = bits;
        if (bits & 0x7f800000u) != 0x7f800000u {
            meter.sum += bitcast<f32>(bits);
            meter.count += 1u;
        } else if meter.fault == 0u {
            meter.fault = now.step + 1u;
        }
    }
}
