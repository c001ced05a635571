//! A function of naga's IR, built again expression by expression.

use naga::{
    Arena, Block, Expression, Function, GatherMode, Handle, Literal, Range, Span, Statement,
    proc::TypeResolution, valid::FunctionInfo,
};

/// Numbers and truths that an expression may be replaced by; they stand first in a function.
#[derive(Clone, Copy)]
pub enum Known {
    Zero,
    One,
    True,
    False,
}

/// The function that is being built.
pub struct Rebuild<'a> {
    pub old: &'a Function,
    info: &'a FunctionInfo,
    new: Arena<Expression>,
    known: [Handle<Expression>; 4],
    /// Of each old expression, the new one.
    values: Vec<Handle<Expression>>,
    /// Of each old expression, what was appended for it.
    spans: Vec<std::ops::Range<u32>>,
}

impl<'a> Rebuild<'a> {
    /// Replaces every expression by that which `rule` gives for it, where it gives one; what `rule` pushes is evaluated where
    /// the old expression was.
    pub fn function(
        old: &'a Function,
        info: &'a FunctionInfo,
        mut rule: impl FnMut(&mut Self, Handle<Expression>) -> Option<Handle<Expression>>,
    ) -> Function {
        let mut new = Arena::new();
        let literals =
            [Literal::F32(0.0), Literal::F32(1.0), Literal::Bool(true), Literal::Bool(false)];
        let known = literals.map(|value| new.append(Expression::Literal(value), Span::UNDEFINED));
        let mut all = Self { old, info, new, known, values: Vec::new(), spans: Vec::new() };
        for (handle, _) in old.expressions.iter() {
            let from = all.new.len() as u32;
            let value = rule(&mut all, handle).unwrap_or_else(|| {
                let same = all.same(handle);
                all.push(same)
            });
            all.values.push(value);
            all.spans.push(from..all.new.len() as u32);
        }
        let mut function = old.clone();
        function.named_expressions.clear();
        for (_, variable) in function.local_variables.iter_mut() {
            variable.init = variable.init.map(|init| all.value(init));
        }
        function.body = all.block(&old.body);
        function.expressions = all.new;
        function
    }

    /// The new expression in an old one's place.
    pub fn value(&self, old: Handle<Expression>) -> Handle<Expression> {
        self.values[old.index()]
    }

    /// Appends an expression to the new function.
    pub fn push(&mut self, expression: Expression) -> Handle<Expression> {
        self.new.append(expression, Span::UNDEFINED)
    }

    pub fn known(&self, known: Known) -> Handle<Expression> {
        self.known[known as usize]
    }

    pub fn expression(&self, old: Handle<Expression>) -> &'a Expression {
        &self.old.expressions[old]
    }

    pub fn ty(&self, old: Handle<Expression>) -> &'a TypeResolution {
        &self.info[old].ty
    }

    /// The expression with new operands.
    fn same(&self, handle: Handle<Expression>) -> Expression {
        use Expression as E;
        let at = |old: &Handle<Expression>| self.value(*old);
        let maybe = |old: &Option<Handle<Expression>>| old.as_ref().map(at);
        match self.expression(handle) {
            one @ (E::Literal(_)
            | E::Constant(_)
            | E::Override(_)
            | E::ZeroValue(_)
            | E::FunctionArgument(_)
            | E::GlobalVariable(_)
            | E::LocalVariable(_)
            | E::CallResult(_)
            | E::AtomicResult { .. }
            | E::WorkGroupUniformLoadResult { .. }
            | E::SubgroupBallotResult
            | E::SubgroupOperationResult { .. }) => one.clone(),
            E::Compose { ty, components } => {
                E::Compose { ty: *ty, components: components.iter().map(at).collect() }
            }
            E::Access { base, index } => E::Access { base: at(base), index: at(index) },
            E::AccessIndex { base, index } => E::AccessIndex { base: at(base), index: *index },
            E::Splat { size, value } => E::Splat { size: *size, value: at(value) },
            E::Swizzle { size, vector, pattern } => {
                E::Swizzle { size: *size, vector: at(vector), pattern: *pattern }
            }
            E::Load { pointer } => E::Load { pointer: at(pointer) },
            E::Unary { op, expr } => E::Unary { op: *op, expr: at(expr) },
            E::Binary { op, left, right } => {
                E::Binary { op: *op, left: at(left), right: at(right) }
            }
            E::Select { condition, accept, reject } => {
                E::Select { condition: at(condition), accept: at(accept), reject: at(reject) }
            }
            E::Relational { fun, argument } => E::Relational { fun: *fun, argument: at(argument) },
            E::Math { fun, arg, arg1, arg2, arg3 } => E::Math {
                fun: *fun,
                arg: at(arg),
                arg1: maybe(arg1),
                arg2: maybe(arg2),
                arg3: maybe(arg3),
            },
            E::As { expr, kind, convert } => {
                E::As { expr: at(expr), kind: *kind, convert: *convert }
            }
            E::ArrayLength(base) => E::ArrayLength(at(base)),
            other => panic!("no kernel has {other:?}"),
        }
    }

    fn block(&self, block: &Block) -> Block {
        let mut new = Block::new();
        for statement in block.iter() {
            if let Some(statement) = self.statement(statement) {
                new.push(statement, Span::UNDEFINED);
            }
        }
        new
    }

    fn statement(&self, statement: &Statement) -> Option<Statement> {
        use Statement as S;
        let at = |old: &Handle<Expression>| self.value(*old);
        let maybe = |old: &Option<Handle<Expression>>| old.as_ref().map(at);
        Some(match statement {
            S::Emit(range) => {
                let (first, last) = range.first_and_last()?;
                let (from, to) = (self.spans[first.index()].start, self.spans[last.index()].end);
                if from == to {
                    return None;
                }
                S::Emit(Range::from_index_range(from..to, &self.new))
            }
            S::Block(block) => S::Block(self.block(block)),
            S::If { condition, accept, reject } => S::If {
                condition: at(condition),
                accept: self.block(accept),
                reject: self.block(reject),
            },
            S::Switch { selector, cases } => {
                let case = |case: &naga::SwitchCase| naga::SwitchCase {
                    body: self.block(&case.body),
                    ..case.clone()
                };
                S::Switch { selector: at(selector), cases: cases.iter().map(case).collect() }
            }
            S::Loop { body, continuing, break_if } => S::Loop {
                body: self.block(body),
                continuing: self.block(continuing),
                break_if: maybe(break_if),
            },
            S::Return { value } => S::Return { value: maybe(value) },
            S::Store { pointer, value } => S::Store { pointer: at(pointer), value: at(value) },
            S::Atomic { pointer, fun, value, result } => {
                let fun = match fun {
                    naga::AtomicFunction::Exchange { compare } => {
                        naga::AtomicFunction::Exchange { compare: maybe(compare) }
                    }
                    fun => *fun,
                };
                S::Atomic { pointer: at(pointer), fun, value: at(value), result: maybe(result) }
            }
            S::WorkGroupUniformLoad { pointer, result } => {
                S::WorkGroupUniformLoad { pointer: at(pointer), result: at(result) }
            }
            S::Call { function, arguments, result } => S::Call {
                function: *function,
                arguments: arguments.iter().map(at).collect(),
                result: maybe(result),
            },
            S::SubgroupBallot { result, predicate } => {
                S::SubgroupBallot { result: at(result), predicate: maybe(predicate) }
            }
            S::SubgroupGather { mode, argument, result } => {
                let mode = match mode {
                    GatherMode::Broadcast(lane) => GatherMode::Broadcast(at(lane)),
                    GatherMode::Shuffle(lane) => GatherMode::Shuffle(at(lane)),
                    GatherMode::ShuffleDown(by) => GatherMode::ShuffleDown(at(by)),
                    GatherMode::ShuffleUp(by) => GatherMode::ShuffleUp(at(by)),
                    GatherMode::ShuffleXor(mask) => GatherMode::ShuffleXor(at(mask)),
                    GatherMode::QuadBroadcast(lane) => GatherMode::QuadBroadcast(at(lane)),
                    mode => *mode,
                };
                S::SubgroupGather { mode, argument: at(argument), result: at(result) }
            }
            S::SubgroupCollectiveOperation { op, collective_op, argument, result } => {
                S::SubgroupCollectiveOperation {
                    op: *op,
                    collective_op: *collective_op,
                    argument: at(argument),
                    result: at(result),
                }
            }
            one @ (S::Break
            | S::Continue
            | S::Kill
            | S::ControlBarrier(_)
            | S::MemoryBarrier(_)) => one.clone(),
            other => panic!("no kernel has {other:?}"),
        })
    }
}
