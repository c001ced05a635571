// The matrices of the file before this one, which a subgroup holds together. All its lanes call these at once; which lane one
// is, the adapter knows by itself.

// The number of the subgroup, and how many a workgroup has.
fn team_of(lane: u32, subgroup: u32) -> u32 {
    return subgroup;
}

fn teams_of(subgroups: u32) -> u32 {
    return subgroups;
}

// SIDE rows of SIDE terms.
fn left(at: u32, lane: u32) -> Left {
    return coopLoadT<Left>(&tile[4u * at], 4u * PITCH);
}

// SIDE columns of SIDE terms.
fn right(at: u32, lane: u32) -> Right {
    return coopLoad<Right>(&tile[4u * at], 4u * PITCH);
}

// The matrix that `sums` begins with.
fn first_sum(lane: u32) -> Sum {
    return coopLoadT<Sum>(&sums[0], SIDE);
}

// sum + a · b
fn multiply_add(a: Left, b: Right, sum: Sum, lane: u32) -> Sum {
    return coopMultiplyAdd(a, b, sum);
}

fn put(sum: Sum, at: u32, lane: u32) {
    coopStoreT(sum, &sums[at], SIDE);
}

