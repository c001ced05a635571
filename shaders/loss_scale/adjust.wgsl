// Adjusts the loss scale by torch.amp.GradScaler's rule. After a step whose gradients went beyond f16: half the scale,
// but not below 1e-30, and weights stay as they are. After `growth` good steps in a row: twice the scale. One thread.

#import step

struct Params { growth: u32 }
var<immediate> p: Params;

struct Scale { scale: f32, good: u32, overflow: u32, skipped: u32 }

@group(0) @binding(0) var<storage, read_write> state: Scale;
@group(0) @binding(1) var<storage, read_write> now: Step;

@compute @workgroup_size(1)
fn main() {
    now.skip = state.overflow;
    if state.overflow == 1u {
        // Its inverse must stay a number.
        state.scale = max(0.5 * state.scale, 1e-30);
        state.good = 0u;
        state.skipped += 1u;
    } else {
        state.good += 1u;
        if state.good >= p.growth {
            state.scale *= 2.0;
            state.good = 0u;
        }
    }
    state.overflow = 0u;
}
