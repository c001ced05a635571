// Matrices of 8 × 8 f32, as Apple's GPUs multiply them.
enable wgpu_cooperative_matrix;

alias Number = f32;
alias Cell = vec4f;
alias Left = coop_mat8x8<f32, A>;
alias Right = coop_mat8x8<f32, B>;
alias Sum = coop_mat8x8<f32, C>;

// Quads of terms that are staged at a time: 256 bits.
const STAGE: u32 = 2u;

