//! Fast math: what compilers that take floats for real numbers, as Metal's by default and some of DX12's, may make of
//! a kernel: every case of every op must be right all the same.
//!
//! Two such compilers, which differ where there is a choice: one regroups sums to the right, `(a + b) + c` to `a + (b + c)`,
//! and fuses products into sums; the other regroups to the left and divides by multiplying. Both cancel what is equal
//! (`(a + b) - a` to `b`, `x - x` to 0), write a mixture `y (1 - z) + x z` as `y + z (x - y)`, take a number for equal to itself, and turn `!(a <= b)` into `a > b`.

mod rebuild;

use mtpret_engine::{
    gpu::{Cost, DeviceOptions, Gpu, Kernel, Matrices, Program, Recording, Rewrite},
    ops::SUITES,
    params,
    tensor::{Array, Tensor},
};
use naga::{
    BinaryOperator as Op, Expression, Handle, MathFunction, Module, ScalarKind, TypeInner,
    UnaryOperator,
    valid::{Capabilities, FunctionInfo, ValidationFlags, Validator},
};
use rebuild::{Known, Rebuild};

params! { struct Params { rows: u32 } }

/// Which of several equal forms a compiler prefers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compiler {
    Right,
    Left,
}

fn to_the_right(_: &str, wgsl: &str) -> Result<Option<Module>, String> {
    compiled(wgsl, Compiler::Right).map(Some)
}

fn to_the_left(_: &str, wgsl: &str) -> Result<Option<Module>, String> {
    compiled(wgsl, Compiler::Left).map(Some)
}

/// The module as the compiler has it.
fn compiled(wgsl: &str, compiler: Compiler) -> Result<Module, String> {
    let mut module = naga::front::wgsl::parse_str(wgsl).map_err(|e| e.emit_to_string(wgsl))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(&module)
        .map_err(|e| e.emit_to_string(wgsl))?;
    let old = module.clone();
    for (handle, function) in module.functions.iter_mut() {
        *function = rewritten(&old, &old.functions[handle], &info[handle], compiler);
    }
    for (at, entry) in module.entry_points.iter_mut().enumerate() {
        let function = &old.entry_points[at].function;
        entry.function = rewritten(&old, function, info.get_entry_point(at), compiler);
    }
    Ok(module)
}

fn rewritten(
    module: &Module,
    function: &naga::Function,
    info: &FunctionInfo,
    compiler: Compiler,
) -> naga::Function {
    Rebuild::function(function, info, |all, handle| {
        let Expression::Binary { op, left, right } = *all.expression(handle) else {
            return negated(module, all, handle);
        };
        if !is_float(module, all, left) || !is_float(module, all, right) {
            return None;
        }
        match op {
            Op::Add | Op::Subtract => cancelled(module, all, op, left, right)
                .or_else(|| mixed(all, op, left, right))
                .or_else(|| regrouped(module, all, compiler, op, left, right)),
            Op::Divide if compiler == Compiler::Left && is_scalar(module, all, left) => {
                let (one, by, of) = (all.known(Known::One), all.value(right), all.value(left));
                let inverse = all.push(binary(Op::Divide, one, by));
                Some(all.push(binary(Op::Multiply, of, inverse)))
            }
            Op::Equal | Op::LessEqual | Op::GreaterEqual if left == right => {
                is_scalar(module, all, left).then(|| all.known(Known::True))
            }
            Op::NotEqual | Op::Less | Op::Greater if left == right => {
                is_scalar(module, all, left).then(|| all.known(Known::False))
            }
            _ => None,
        }
    })
}

/// `!(a <= b)` is `a > b` where no number is NaN.
fn negated(
    module: &Module,
    all: &mut Rebuild,
    handle: Handle<Expression>,
) -> Option<Handle<Expression>> {
    let Expression::Unary { op: UnaryOperator::LogicalNot, expr } = *all.expression(handle) else {
        return None;
    };
    let Expression::Binary { op, left, right } = *all.expression(expr) else { return None };
    if !is_float(module, all, left) {
        return None;
    }
    let op = match op {
        Op::Less => Op::GreaterEqual,
        Op::LessEqual => Op::Greater,
        Op::Greater => Op::LessEqual,
        Op::GreaterEqual => Op::Less,
        Op::Equal => Op::NotEqual,
        Op::NotEqual => Op::Equal,
        _ => return None,
    };
    let (left, right) = (all.value(left), all.value(right));
    Some(all.push(binary(op, left, right)))
}

/// `x - x` is 0; `(a + b) - a` and `a - (a - b)` are b, `a + (b - a)` is b.
fn cancelled(
    module: &Module,
    all: &mut Rebuild,
    op: Op,
    left: Handle<Expression>,
    right: Handle<Expression>,
) -> Option<Handle<Expression>> {
    if op == Op::Subtract && left == right && is_scalar(module, all, left) {
        return Some(all.known(Known::Zero));
    }
    let sum = |of: Handle<Expression>| match *all.expression(of) {
        Expression::Binary { op: op @ (Op::Add | Op::Subtract), left, right } => {
            Some((op, left, right))
        }
        _ => None,
    };
    let rest = match (op, sum(left), sum(right)) {
        (Op::Subtract, Some((Op::Add, a, b)), _) if a == right => b,
        (Op::Subtract, Some((Op::Add, a, b)), _) if b == right => a,
        (Op::Add, Some((Op::Subtract, a, b)), _) if b == right => a,
        (Op::Subtract, _, Some((Op::Subtract, a, b))) if a == left => b,
        (Op::Add, _, Some((Op::Subtract, b, a))) if a == left => b,
        _ => return None,
    };
    Some(all.value(rest))
}

/// `y (1 - z) + x z` is `y + z (x - y)`.
fn mixed(
    all: &mut Rebuild,
    op: Op,
    left: Handle<Expression>,
    right: Handle<Expression>,
) -> Option<Handle<Expression>> {
    let parts = |of: Handle<Expression>, wanted: Op| match *all.expression(of) {
        Expression::Binary { op, left, right } if op == wanted => Some([left, right]),
        _ => None,
    };
    let one = |of: Handle<Expression>| {
        let of = match *all.expression(of) {
            Expression::Splat { value, .. } => value,
            _ => of,
        };
        matches!(*all.expression(of), Expression::Literal(naga::Literal::F32(1.0)))
    };
    // The factor, and what 1 less it is multiplied by.
    let rest = |product: [Handle<Expression>; 2]| {
        let sides = [[product[0], product[1]], [product[1], product[0]]];
        sides.into_iter().find_map(|[y, rest]| {
            let [whole, z] = parts(rest, Op::Subtract)?;
            one(whole).then_some((y, z))
        })
    };
    let [first, second] = [parts(left, Op::Multiply)?, parts(right, Op::Multiply)?];
    let found = [(first, second), (second, first)].into_iter().find_map(|(with, other)| {
        let (y, z) = rest(with)?;
        let x = if other[0] == z { other[1] } else { other[0] };
        other.contains(&z).then_some((x, y, z))
    });
    let (x, y, z) = found.filter(|_| op == Op::Add)?;
    let [x, y, z] = [x, y, z].map(|old| all.value(old));
    let apart = all.push(binary(Op::Subtract, x, y));
    let share = all.push(binary(Op::Multiply, z, apart));
    Some(all.push(binary(Op::Add, y, share)))
}

/// A sum of three in another order; a product and a sum as one operation.
fn regrouped(
    module: &Module,
    all: &mut Rebuild,
    compiler: Compiler,
    op: Op,
    left: Handle<Expression>,
    right: Handle<Expression>,
) -> Option<Handle<Expression>> {
    let parts = |of: Handle<Expression>| match *all.expression(of) {
        Expression::Binary { op, left, right } => {
            let inner = |of| all.ty(of).inner_with(&module.types);
            let alike = inner(left) == inner(right);
            alike.then(|| (op, all.value(left), all.value(right)))
        }
        _ => None,
    };
    let (of_left, of_right) = (parts(left), parts(right));
    let (left, right) = (all.value(left), all.value(right));
    // a - (b ± c) is (a - b) ∓ c, and (a - b) ± c is a - (b ∓ c).
    let turned = |inner: Op| match inner {
        Op::Add => Op::Subtract,
        _ => Op::Add,
    };
    match (compiler, of_left, of_right) {
        (Compiler::Right, Some((inner @ (Op::Add | Op::Subtract), a, b)), _) => {
            let second = if inner == Op::Add { op } else { turned(op) };
            let rest = all.push(binary(second, b, right));
            Some(all.push(binary(inner, a, rest)))
        }
        (Compiler::Left, _, Some((inner @ (Op::Add | Op::Subtract), b, c))) => {
            let second = if op == Op::Add { inner } else { turned(inner) };
            let first = all.push(binary(op, left, b));
            Some(all.push(binary(second, first, c)))
        }
        (Compiler::Right, Some((Op::Multiply, a, b)), _) if op == Op::Add => {
            Some(all.push(fused(a, b, right)))
        }
        (Compiler::Right, _, Some((Op::Multiply, b, c))) if op == Op::Add => {
            Some(all.push(fused(b, c, left)))
        }
        _ => None,
    }
}

/// a b + c as one operation.
fn fused(a: Handle<Expression>, b: Handle<Expression>, c: Handle<Expression>) -> Expression {
    let fun = MathFunction::Fma;
    Expression::Math { fun, arg: a, arg1: Some(b), arg2: Some(c), arg3: None }
}

fn binary(op: Op, left: Handle<Expression>, right: Handle<Expression>) -> Expression {
    Expression::Binary { op, left, right }
}

fn is_float(module: &Module, all: &Rebuild, of: Handle<Expression>) -> bool {
    let inner = all.ty(of).inner_with(&module.types);
    inner.scalar_kind() == Some(ScalarKind::Float)
}

fn is_scalar(module: &Module, all: &Rebuild, of: Handle<Expression>) -> bool {
    matches!(all.ty(of).inner_with(&module.types), TypeInner::Scalar(_))
}

fn device(rewrite: Rewrite) -> Gpu {
    let options = DeviceOptions {
        poison: true,
        matrices: Matrices::ByHand { side: 16, lanes: 32 },
        rewrite: Some(rewrite),
        ..DeviceOptions::default()
    };
    Gpu::open(options).expect("an adapter")
}

/// What is wrong with the ops under a compiler.
fn faults(rewrite: Rewrite) -> Vec<String> {
    let gpu = device(rewrite);
    let mut faults = Vec::new();
    for suite in SUITES {
        for case in (suite.cases)() {
            for variant in suite.signature.offered(gpu.caps()) {
                let found = match case.check(&gpu, Some(variant), 7) {
                    Ok(report) => report.faults(),
                    Err(e) => vec![e.to_string()],
                };
                let name = suite.name;
                faults.extend(found.iter().map(|f| format!("{name}/{variant}, {}: {f}", case.why)));
            }
        }
    }
    faults
}

/// y = `((a + c) + d, !(b <= e), 0, 0)`: none of it is what a kernel may rely on.
const TRAP: Kernel<Params> = Kernel::new(
    "trap",
    "
struct Params { rows: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x < p.rows {
        let v = x[id.x];
        let sum = (v.x + v.z) + x[id.x + 1u].x;
        let above = select(0.0, 1.0, !(v.y <= v.w));
        y[id.x] = vec4f(sum, above, 0.0, 0.0);
    }
}
",
);

#[test]
fn both_compilers_change_what_kernels_may_not_rely_on() {
    let result = |gpu: &Gpu| {
        let numbers = vec![1.0, f64::NAN, 1e9, 65504.0, -1e9, 0.0, 0.0, 0.0];
        let x = Array::new(&[2, 4], numbers);
        let on = [&x, &Array::zeros(&[1, 4])].map(|a| Tensor::upload(gpu, a).unwrap());
        let rec = Recording::new(gpu);
        let cost = Cost { flops: 1, trips: 0, shape: "[1, 4]".into() };
        rec.launch(&TRAP, &[], Params { rows: 1 }, &[&on[0].data, &on[1].data], [1, 1, 1], cost)
            .unwrap();
        let program = Program::new(rec).unwrap();
        program.run();
        on[1].read(&program).unwrap().data
    };
    assert_eq!(result(&Gpu::open(DeviceOptions::default()).unwrap()), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(result(&device(to_the_right)), [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(result(&device(to_the_left)), [0.0; 4]);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn sums_regrouped_to_the_right_leave_every_op_right() {
    let faults = faults(to_the_right);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn sums_regrouped_to_the_left_leave_every_op_right() {
    let faults = faults(to_the_left);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}
