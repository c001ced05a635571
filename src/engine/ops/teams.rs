//! Launches in which a team of threads shares a row: the host's side of `shaders/shared/teams.wgsl`.

use crate::gpu;

/// Threads a row and workgroups, for `rows` rows of `quads` vec4s: about four vec4s a thread.
pub fn teams(rows: usize, quads: usize) -> (u32, [u32; 3]) {
    let lanes = (quads / 4).next_power_of_two().min(16);
    (lanes as u32, gpu::fold(rows.div_ceil(256 / lanes)))
}
