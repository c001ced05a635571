// Numbers that change with every step of training, written once a step by the host.
struct Step {
    lr: f32,       // learning rate
    step: u32,     // of the stage, from 0
    seed_low: u32, // of the run
    seed_high: u32,
    samples: u32, // of the stage before this batch, or this part of it, modulo 2^32
    epoch: u32,
    stage: u32,    // separates the random numbers of stages
    skip: u32,     // 1: gradients went beyond f16, so that weights stay as they are
    first: u32,    // samples of the batch before this part of it, where it is cut into micro-batches
}
