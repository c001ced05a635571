// Cross-entropy of every row x of logits with its class t, and its gradient. With m = max x:
//
//   more = Σ exp(x[j] − m) over all j but one that has x[j] = m
//   loss = log(1 + more) + |m − x[t]|                both terms ≥ 0, so nothing cancels
//   g[j] = exp(x[j] − m) / (1 + more), and for j = t the sum of all others, negative
//
// No difference of near numbers is ever taken, and no sum is written as one of three that a compiler could add in another
// order: the ones among the exponentials, a whole number, lose one as an integer, and |…| keeps the loss's terms apart.
// x and g are [N, L], labels is [N, 1]. A row whose label is outside 0..L counts for nothing. The
// mean is not known yet, so g is of the row's own loss; every workgroup leaves (sum of its losses,
// rows counted) in `partials`, [groups, 2]. LANES threads share a row; each reads its part of x
// three times.

#import grid
#import log1p
#import reduce
#import teams

const LANES: u32 = 8u;
// Logit of no class: no maximum, and its exponential is 0.
const LOWEST: f32 = -2e38;

struct Params {
    rows: u32, // N
    classes: u32, // L
    quads: u32,
    groups: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> labels: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

// The classes of a row's i-th quad.
fn classes(i: u32) -> vec4u {
    return 4u * i + vec4u(0u, 1u, 2u, 3u);
}

fn logits(base: u32, i: u32) -> vec4f {
    return select(vec4f(LOWEST), x[base + i], classes(i) < vec4u(p.classes));
}

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let group = group_of(id, groups);
    let row = group * (256u / LANES) + lane / LANES;
    let base = row * p.quads;
    let end = select(0u, p.quads, row < p.rows);

    var most = vec4f(LOWEST);
    for (var i = lane % LANES; i < end; i += LANES) {
        most = max(most, logits(base, i));
    }
    let m = max_of_team(lane, most);

    // The label, or `classes` where the row counts for nothing.
    var t = p.classes;
    var right = m;
    if row < p.rows {
        let label = labels[row].x;
        if label >= 0.0 && label < f32(p.classes) {
            t = u32(label);
            right = x[base + t / 4u][t % 4u];
        }
    }
    let counts = t < p.classes;

    var below = vec4f();
    var equal = vec4f();
    var apart = vec4f(); // all but the label
    for (var i = lane % LANES; i < end; i += LANES) {
        let v = logits(base, i);
        let e = exp(v - m);
        below += select(e, vec4f(), v == vec4f(m));
        equal += select(vec4f(), vec4f(1.0), v == vec4f(m));
        apart += select(e, vec4f(), classes(i) == vec4u(t));
    }
    let one = vec4f(1.0);
    let sums = sum_of_team(lane, vec4f(dot(below, one), dot(equal, one), dot(apart, one), 0.0));
    let more = sums.x + f32(max(u32(sums.y), 1u) - 1u);
    let share = 1.0 / (1.0 + more);

    // p(t) − 1
    let of_right = -sums.z * share;
    for (var i = lane % LANES; i < end; i += LANES) {
        let others = exp(logits(base, i) - m) * share;
        let of_row = select(others, vec4f(of_right), classes(i) == vec4u(t));
        g[base + i] = select(vec4f(), of_row, counts);
    }

    // Beyond 1 the series is not used; it is given the number as it is, so that NaN stays NaN.
    let near = log1p(vec4f(more)).x;
    let loss = select(log(1.0 + more), near, more <= 1.0) + abs(m - right);
    let first = counts && lane % LANES == 0u;
    let total = sum_of_group(lane, select(vec4f(), vec4f(loss, 1.0, 0.0, 0.0), first));
    if lane == 0u && group < p.groups {
        partials[group] = total;
    }
}
