//! Gradients where a tape forks, ends or never came.

use super::open;
use mtpret_engine::{
    autograd::{Mode, Tape},
    gpu::{Command, Gpu, Program, Recording},
    nn::Linear,
    ops::{add::Add, bce_with_logits::BceWithLogits, cross_entropy::CrossEntropy, relu::Relu},
    tensor::{Arena, Array, Init, Order, Scope, State, Tensor},
};

const TRAIN: Mode = Mode::Train { groups: 1 };
/// Rows of a batch, and numbers in a row.
const SHAPE: [usize; 2] = [5, 4];

/// Parameters of a network, and room for their gradients.
struct Toy {
    gpu: Gpu,
    state: State,
    gradients: Arena,
}

impl Toy {
    fn new(scope: &Scope) -> Self {
        let gpu = open();
        let state = State::init(&gpu, scope, 3).unwrap();
        let gradients = Arena::zeros(&gpu, &state.weights.layout).unwrap();
        Self { gpu, state, gradients }
    }
    fn upload(&self, values: &Array) -> Tensor {
        Tensor::upload(&self.gpu, values).unwrap()
    }
    /// A parameter's values in `arena`, in its file's order.
    fn values(&self, arena: &Arena, name: &str) -> Vec<f64> {
        let all = arena.read(&self.gpu).unwrap();
        let (_, values) = all.into_iter().find(|(entry, _)| entry.name == name).unwrap();
        values.into_iter().map(f64::from).collect()
    }
    fn gradient(&self, name: &str) -> Vec<f64> {
        self.values(&self.gradients, name)
    }
}

fn is_zero(values: &[f64]) -> bool {
    values.iter().all(|v| *v == 0.0)
}

fn close(found: &[f64], wanted: &[f64]) {
    let scale = wanted.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let far = found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max);
    assert!(found.len() == wanted.len() && far <= 1e-5 * scale, "{found:?}, wanted {wanted:?}");
}

fn labels() -> Array {
    Array::random(&SHAPE, 12).map(|v| if v > 0.0 { 1.0 } else { 0.0 })
}

fn classes() -> Array {
    Array::new(&[SHAPE[0], 1], vec![0.0, 3.0, 1.0, 1.0, 2.0])
}

/// x · wᵀ + b, row by row.
fn affine(x: &[f64], parameters: &[f64]) -> Vec<f64> {
    let (w, b) = parameters.split_at(16);
    let row =
        |x: &[f64], o: usize| -> f64 { b[o] + (0..4).map(|i| x[i] * w[4 * o + i]).sum::<f64>() };
    x.chunks(4).flat_map(|x| (0..4).map(|o| row(x, o)).collect::<Vec<_>>()).collect()
}

/// The sum of losses that `forks_and_ties_sum_their_gradients` records, in f64.
fn loss(x: &[f64], parameters: &[f64]) -> f64 {
    let z = affine(x, parameters);
    let h: Vec<f64> = z.iter().map(|v| v.max(0.0)).collect();
    let binary: f64 = z
        .iter()
        .zip(&h)
        .zip(&labels().data)
        .map(|((z, h), t)| (2.0 * z + h, t))
        .map(|(l, t)| l.max(0.0) - l * t + (-l.abs()).exp().ln_1p())
        .sum();
    let again = affine(&h, parameters);
    let cross: f64 = again
        .chunks(4)
        .zip(&classes().data)
        .map(|(l, t)| l.iter().map(|v| v.exp()).sum::<f64>().ln() - l[*t as usize])
        .sum();
    binary / z.len() as f64 + cross / SHAPE[0] as f64
}

#[test]
fn forks_and_ties_sum_their_gradients() {
    let root = Scope::root();
    let layer = Linear::new(root.at("used"), 4, 4);
    Linear::new(root.at("unused"), 4, 4);
    let toy = Toy::new(&root);
    let x = Array::random(&SHAPE, 11);
    let [inputs, t, c] = [&x, &labels(), &classes()].map(|a| toy.upload(a));

    let rec = Recording::new(&toy.gpu);
    let tape = Tape::new(&rec, &toy.state, TRAIN);
    // z goes three ways, and the layer that made it is used once more.
    let z = layer.forward(&tape, &tape.input(&inputs)).unwrap();
    let h = tape.apply(Relu, [&z]).unwrap();
    let sum = tape.apply(Add, [&tape.apply(Add, [&z, &h]).unwrap(), &z]).unwrap();
    let again = layer.forward(&tape, &h).unwrap();
    let binary = tape.apply(BceWithLogits, [&sum, &tape.input(&t)]).unwrap();
    let cross = tape.apply(CrossEntropy, [&again, &tape.input(&c)]).unwrap();
    tape.backward(&[&binary, &cross], &toy.gradients).unwrap();
    let program = Program::new(rec).unwrap();
    let copies = program.commands().iter().filter(|c| matches!(c, Command::Copy { .. })).count();
    assert_eq!(copies, 0, "gradients are computed where they shall lie");
    // A second run must not add to the first.
    program.run();
    program.run();

    let names = ["used.weight", "used.bias"];
    let weights: Vec<f64> = names.iter().flat_map(|n| toy.values(&toy.state.weights, n)).collect();
    let slope = |i: usize| {
        let at = |step: f64| {
            let mut moved = weights.clone();
            moved[i] += step;
            loss(&x.data, &moved)
        };
        (at(1e-6) - at(-1e-6)) / 2e-6
    };
    let wanted: Vec<f64> = (0..weights.len()).map(slope).collect();
    let found: Vec<f64> = names.iter().flat_map(|n| toy.gradient(n)).collect();
    close(&found, &wanted);
    assert!(["unused.weight", "unused.bias"].iter().all(|n| is_zero(&toy.gradient(n))));
}

#[test]
fn one_gradient_reaches_the_two_parameters_it_belongs_to() {
    let root = Scope::root();
    let [a, b] = ["a", "b"].map(|n| root.param(n, Order::Vector, &[4], Init::Uniform(1.0)));
    let toy = Toy::new(&root);
    let targets = Array::new(&[1, 4], vec![0.0, 1.0, 1.0, 0.0]);
    let t = toy.upload(&targets);
    let rec = Recording::new(&toy.gpu);
    let tape = Tape::new(&rec, &toy.state, TRAIN);
    let [a, b] = [a, b].map(|param| {
        let mut row = tape.param(param);
        row.value = row.value.reshape(&[1, 4]);
        row
    });
    // The derivative of a sum hands back one tensor for both.
    let logits = tape.apply(Add, [&a, &b]).unwrap();
    let loss = tape.apply(BceWithLogits, [&logits, &tape.input(&t)]).unwrap();
    tape.backward(&[&loss], &toy.gradients).unwrap();
    Program::new(rec).unwrap().run();
    let [a, b] = ["a", "b"].map(|n| toy.values(&toy.state.weights, n));
    let of_logit = |((a, b), t): ((&f64, &f64), &f64)| (1.0 / (1.0 + (-a - b).exp()) - t) / 4.0;
    let wanted: Vec<f64> = a.iter().zip(&b).zip(&targets.data).map(of_logit).collect();
    close(&toy.gradient("a"), &wanted);
    close(&toy.gradient("b"), &wanted);
}

/// Two layers, one after the other; `detach` cuts the tape between them. Launches of the backward
/// pass, and the gradients of both layers.
fn chain(mode: Mode, detach: bool) -> (usize, [Vec<f64>; 2]) {
    let root = Scope::root();
    let [first, second] = ["first", "second"].map(|n| Linear::new(root.at(n), 4, 4));
    let toy = Toy::new(&root);
    let [x, t] = [&Array::random(&SHAPE, 11), &labels()].map(|a| toy.upload(a));
    let rec = Recording::new(&toy.gpu);
    let tape = Tape::new(&rec, &toy.state, mode);
    let mut z = first.forward(&tape, &tape.input(&x)).unwrap();
    if detach {
        z = tape.input(&z.value);
    }
    let logits = second.forward(&tape, &z).unwrap();
    let loss = tape.apply(BceWithLogits, [&logits, &tape.input(&t)]).unwrap();
    let forward = rec.commands().len();
    tape.backward(&[&loss], &toy.gradients).unwrap();
    let backward = rec.commands().len() - forward;
    Program::new(rec).unwrap().run();
    (backward, ["first.weight", "second.weight"].map(|n| toy.gradient(n)))
}

#[test]
fn a_detached_tape_gives_no_gradients() {
    let (whole, [first, second]) = chain(TRAIN, false);
    assert!(!is_zero(&first) && !is_zero(&second));
    let (cut, [nothing, same]) = chain(TRAIN, true);
    assert!(cut < whole && is_zero(&nothing));
    assert_eq!(same, second);
    for mode in [Mode::NoGrad { groups: 1 }, Mode::Eval] {
        let (launches, [first, second]) = chain(mode, false);
        assert_eq!(launches, 0, "{mode:?}");
        assert!(is_zero(&first) && is_zero(&second), "{mode:?}");
    }
}
