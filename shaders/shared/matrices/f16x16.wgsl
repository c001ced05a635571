// Matrices of 16 × 16 f16, whose products are summed in f32, as NVIDIA's and AMD's GPUs multiply them.
enable f16;
enable wgpu_cooperative_matrix;

alias Number = f16;
alias Cell = vec4<f16>;
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

// Quads of terms that are staged at a time: 256 bits.
const STAGE: u32 = 4u;

