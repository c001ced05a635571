// What matrices.wgsl says, on any adapter, so that kernels made for it can be checked where no adapter lists such matrices.
// Lane l of 32 has row l / 4 of the left one, columns 2 · (l mod 4) and the next of the right one, and their two sums.
struct Left { first: vec4f, second: vec4f }
struct Right { first: mat4x2f, second: mat4x2f }
alias Sum = vec2f;

// The number of the 32 lanes, whatever the subgroups are.
fn team_of(lane: u32, subgroup: u32) -> u32 {
    return lane / 32u;
}

fn left(at: u32, stride: u32, lane: u32) -> Left {
    let i = at + lane % 32u / 4u * stride;
    return Left(
        vec4f(tile[i], tile[i + 1u], tile[i + 2u], tile[i + 3u]),
        vec4f(tile[i + 4u], tile[i + 5u], tile[i + 6u], tile[i + 7u]),
    );
}

// The left one where its columns lie as rows.
fn left_transposed(at: u32, stride: u32, lane: u32) -> Left {
    let i = at + lane % 32u / 4u;
    return Left(
        vec4f(tile[i], tile[i + stride], tile[i + 2u * stride], tile[i + 3u * stride]),
        vec4f(tile[i + 4u * stride], tile[i + 5u * stride], tile[i + 6u * stride], tile[i + 7u * stride]),
    );
}

fn two(at: u32) -> vec2f {
    return vec2f(tile[at], tile[at + 1u]);
}

fn right(at: u32, stride: u32, lane: u32) -> Right {
    let i = at + lane % 4u * 2u;
    return Right(
        mat4x2f(two(i), two(i + stride), two(i + 2u * stride), two(i + 3u * stride)),
        mat4x2f(two(i + 4u * stride), two(i + 5u * stride), two(i + 6u * stride), two(i + 7u * stride)),
    );
}

fn sum_of(at: u32, stride: u32, lane: u32) -> Sum {
    return two(at + lane % 32u / 4u * stride + lane % 4u * 2u);
}

// sum + a · b
fn multiply_add(a: Left, b: Right, sum: Sum) -> Sum {
    return sum + b.first * a.first + b.second * a.second;
}

fn put(sum: Sum, at: u32, stride: u32, lane: u32) {
    let i = at + lane % 32u / 4u * stride + lane % 4u * 2u;
    tile[i] = sum.x;
    tile[i + 1u] = sum.y;
}
