// 8 × 8 matrices of f32 that 32 lanes, a subgroup, hold together, on adapters that multiply such at once. They lie in
// `tile` of coop_tile.wgsl, numbers in workgroup memory: the rows of a matrix begin there `stride` numbers apart. All lanes of
// a subgroup call these together; which lane one is, the adapter knows by itself.
enable wgpu_cooperative_matrix;

alias Left = coop_mat8x8<f32, A>;
alias Right = coop_mat8x8<f32, B>;
alias Sum = coop_mat8x8<f32, C>;

// The number of the subgroup.
fn team_of(lane: u32, subgroup: u32) -> u32 {
    return subgroup;
}

fn left(at: u32, stride: u32, lane: u32) -> Left {
    return coopLoadT<coop_mat8x8<f32, A>>(&tile[at], stride);
}

// The left one where its columns lie as rows.
fn left_transposed(at: u32, stride: u32, lane: u32) -> Left {
    return coopLoad<coop_mat8x8<f32, A>>(&tile[at], stride);
}

fn right(at: u32, stride: u32, lane: u32) -> Right {
    return coopLoadT<coop_mat8x8<f32, B>>(&tile[at], stride);
}

fn sum_of(at: u32, stride: u32, lane: u32) -> Sum {
    return coopLoadT<coop_mat8x8<f32, C>>(&tile[at], stride);
}

// sum + a · b
fn multiply_add(a: Left, b: Right, sum: Sum) -> Sum {
    return coopMultiplyAdd(a, b, sum);
}

fn put(sum: Sum, at: u32, stride: u32, lane: u32) {
    coopStoreT(sum, &tile[at], stride);
}
