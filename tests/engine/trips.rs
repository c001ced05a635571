//! Trip counts: what launches say of their longest walk, [`Cost::trips`](mtpret_engine::gpu::Cost::trips), held to what
//! their threads do: every kernel is rewritten so that it counts the trips of its loops, and every case of every op is run.
//!
//! A loop that ends at a constant of its kernel is not counted: compilers unroll it, and it does not grow with batch or image.

use mtpret_engine::{
    gpu::{DeviceOptions, Gpu, Matrices},
    ops::SUITES,
};
use naga::{
    AddressSpace, AtomicFunction, BinaryOperator, Block, Expression, Function, GlobalVariable,
    Handle, Literal, Module, Range, ResourceBinding, Scalar, Span, Statement, StorageAccess, Type,
    TypeInner,
};
use std::collections::BTreeMap;

/// The module with a counter of trips, whose largest value of all threads goes into binding 0 of group 1.
fn counting(_: &str, wgsl: &str) -> Result<Option<Module>, String> {
    let mut module = naga::front::wgsl::parse_str(wgsl).map_err(|e| e.emit_to_string(wgsl))?;
    let mut of = |inner| module.types.insert(Type { name: None, inner }, Span::UNDEFINED);
    let (number, atomic) = (of(TypeInner::Scalar(Scalar::U32)), of(TypeInner::Atomic(Scalar::U32)));
    let zero = Expression::Literal(Literal::U32(0));
    let zero = module.global_expressions.append(zero, Span::UNDEFINED);
    let mut global = |name: &str, space, binding, ty, init| {
        let variable = GlobalVariable {
            name: Some(name.into()),
            space,
            binding,
            ty,
            init,
            memory_decorations: Default::default(),
        };
        module.global_variables.append(variable, Span::UNDEFINED)
    };
    let trips = global("trips", AddressSpace::Private, None, number, Some(zero));
    let space = AddressSpace::Storage { access: StorageAccess::LOAD | StorageAccess::STORE };
    let binding = ResourceBinding { group: 1, binding: 0 };
    let most = global("most_trips", space, Some(binding), atomic, None);
    for (_, function) in module.functions.iter_mut() {
        edited(function, |all, block| count(all, block, trips));
    }
    for entry in &mut module.entry_points {
        edited(&mut entry.function, |all, block| {
            count(all, block, trips);
            end(all, block, trips, most);
            if !matches!(block.last(), Some(Statement::Return { .. })) {
                block.append(&mut leave(all, trips, most));
            }
        });
    }
    Ok(Some(module))
}

type Expressions = naga::Arena<Expression>;

fn edited(function: &mut Function, edit: impl FnOnce(&mut Expressions, &mut Block)) {
    let mut body = std::mem::take(&mut function.body);
    edit(&mut function.expressions, &mut body);
    function.body = body;
}

/// The blocks in a statement.
fn blocks(statement: &mut Statement) -> Vec<&mut Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter_mut().map(|case| &mut case.body).collect(),
        Statement::Loop { body, continuing, .. } => vec![body, continuing],
        _ => Vec::new(),
    }
}

/// Adds one at the end of each trip of a loop.
fn count(all: &mut Expressions, block: &mut Block, trips: Handle<GlobalVariable>) {
    for statement in block.iter_mut() {
        blocks(statement).into_iter().for_each(|inner| count(all, inner, trips));
        if let Statement::Loop { body, continuing, .. } = statement
            && !ends_at_a_constant(all, body)
        {
            let pointer = push(all, Expression::GlobalVariable(trips));
            let one = push(all, Expression::Literal(Literal::U32(1)));
            let before = push(all, Expression::Load { pointer });
            let sum = Expression::Binary { op: BinaryOperator::Add, left: before, right: one };
            let value = push(all, sum);
            let counted = vec![
                Statement::Emit(Range::new_from_bounds(before, value)),
                Statement::Store { pointer, value },
            ];
            continuing.splice(0..0, Block::from_vec(counted));
        }
    }
}

/// Whether a loop begins by asking whether to go on, and compares with a number that is known beforehand.
fn ends_at_a_constant(all: &Expressions, body: &Block) -> bool {
    let known = |side: &Handle<Expression>| {
        use Expression::{Constant, Literal, Override, ZeroValue};
        matches!(all[*side], Literal(_) | Constant(_) | Override(_) | ZeroValue(_))
    };
    let asked = body.iter().find_map(|statement| match statement {
        Statement::If { condition, reject, .. } => {
            matches!(reject.first(), Some(Statement::Break)).then_some(*condition)
        }
        _ => None,
    });
    asked.is_some_and(|condition| match all[condition] {
        Expression::Binary { left, right, .. } => [left, right].iter().any(known),
        _ => false,
    })
}

/// Leaves the count wherever the kernel returns.
fn end(
    all: &mut Expressions,
    block: &mut Block,
    trips: Handle<GlobalVariable>,
    most: Handle<GlobalVariable>,
) {
    for at in (0..block.len()).rev() {
        blocks(&mut block[at]).into_iter().for_each(|inner| end(all, inner, trips, most));
        if matches!(block[at], Statement::Return { .. }) {
            block.splice(at..at, leave(all, trips, most));
        }
    }
}

fn leave(
    all: &mut Expressions,
    trips: Handle<GlobalVariable>,
    most: Handle<GlobalVariable>,
) -> Block {
    let pointer = push(all, Expression::GlobalVariable(most));
    let own = push(all, Expression::GlobalVariable(trips));
    let value = push(all, Expression::Load { pointer: own });
    Block::from_vec(vec![
        Statement::Emit(Range::new_from_bounds(value, value)),
        Statement::Atomic { pointer, fun: AtomicFunction::Max, value, result: None },
    ])
}

fn push(all: &mut Expressions, expression: Expression) -> Handle<Expression> {
    all.append(expression, Span::UNDEFINED)
}

fn device() -> Gpu {
    let options = DeviceOptions {
        matrices: Matrices::ByHand { side: 16, lanes: 32 },
        rewrite: Some(counting),
        count_trips: true,
        ..DeviceOptions::default()
    };
    Gpu::open(options).expect("an adapter")
}

/// Kernels whose walk hangs on what the numbers are, so that a shape tells only its bound.
const BY_DATA: [&str; 2] = ["nms/scan", "roi_align/backward"];

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn no_thread_of_any_case_walks_further_than_its_launch_says() {
    let gpu = device();
    // Of each kernel, the largest share of what was stated that was walked.
    let mut reached: BTreeMap<&str, f64> = BTreeMap::new();
    let mut faults = Vec::new();
    for suite in SUITES {
        for case in (suite.cases)() {
            for variant in suite.signature.offered(gpu.caps()) {
                let report = case.check(&gpu, Some(variant), 7).expect("a case runs");
                faults.extend(report.faults());
                for launch in gpu.trip_counts() {
                    if launch.counted > launch.stated {
                        faults.push(format!("{}/{variant}, {}: {launch:?}", suite.name, case.why));
                    }
                    let share = launch.counted as f64 / launch.stated.max(1) as f64;
                    let known = reached.entry(launch.kernel).or_default();
                    *known = known.max(if launch.stated == 0 { 1.0 } else { share });
                }
            }
        }
    }
    for (kernel, share) in reached.iter().filter(|(kernel, _)| !BY_DATA.contains(kernel)) {
        if *share < 0.5 {
            faults.push(format!("{kernel}: no case walks half of what it states, {share:.2}"));
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}
