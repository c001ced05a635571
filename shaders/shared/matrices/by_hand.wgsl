// The functions of cooperative.wgsl by hand, each lane with numbers of its own, so that kernels made for them can be checked where
// no adapter lists such matrices. A team is 32 lanes, of which each has OWN sums that follow one another in a row; it reads its
// factors where they are staged.
const OWN: u32 = SIDE * SIDE / 32u;
const LANES_OF_ROW: u32 = SIDE / OWN;

alias Left = u32;
alias Right = u32;
alias Sum = array<f32, OWN>;

// The number of the 32 lanes, whatever the subgroups are, and how many a workgroup has.
fn team_of(lane: u32, subgroup: u32) -> u32 {
    return lane / 32u;
}

fn teams_of(subgroups: u32) -> u32 {
    return THREADS / 32u;
}

fn left(at: u32, lane: u32) -> Left {
    return at + lane % 32u / LANES_OF_ROW * PITCH;
}

fn right(at: u32, lane: u32) -> Right {
    return at + lane % LANES_OF_ROW * OWN * PITCH;
}

// Where a lane's sums begin in a matrix.
fn own(lane: u32) -> u32 {
    return lane % 32u / LANES_OF_ROW * SIDE + lane % LANES_OF_ROW * OWN;
}

// The matrix that `sums` begins with.
fn first_sum(lane: u32) -> Sum {
    var sum: Sum;
    for (var i = 0u; i < OWN; i += 1u) {
        sum[i] = sums[own(lane) + i];
    }
    return sum;
}

// sum + a · b
fn multiply_add(a: Left, b: Right, sum: Sum, lane: u32) -> Sum {
    var s = sum;
    for (var i = 0u; i < OWN; i += 1u) {
        for (var quad = 0u; quad < SIDE / 4u; quad += 1u) {
            s[i] += dot(four(a + quad), four(b + i * PITCH + quad));
        }
    }
    return s;
}

fn put(sum: Sum, at: u32, lane: u32) {
    for (var i = 0u; i < OWN; i += 1u) {
        sums[at + own(lane) + i] = sum[i];
    }
}

