//! MoCo's contrastive loss over a queue of keys, and the update of the queue.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Problem, Recorder, Recording, Variant},
    kernel, params,
    tensor::{Array, Tensor},
};

const LOGITS: Kernel<Params> = kernel!("info_nce/logits");
const LOGITS_SUBGROUP: Kernel<Params> = kernel!("info_nce/logits_subgroup");
const CHUNK_SUMS: Kernel<Params> = kernel!("info_nce/chunk_sums");
const LOSS: Kernel<Params> = kernel!("info_nce/loss");
const CHUNK_GRADIENTS: Kernel<Params> = kernel!("info_nce/chunk_gradients");
const CHUNK_GRADIENTS_SUBGROUP: Kernel<Params> = kernel!("info_nce/chunk_gradients_subgroup");
const GRAD_QUERY: Kernel<Params> = kernel!("info_nce/grad_query");
const ENQUEUE: Kernel<Enqueue> = kernel!("info_nce/enqueue");
params! { struct Params { queries: u32, keys: u32, quads: u32, chunk: u32, scale: f32 } }
params! { struct Enqueue { size: u32, quads: u32, keys: u32, is_part: u32 } }

/// Number of chunks that the queue is swept in at most, whose sums are then added in order.
const CHUNKS: usize = 128;

/// InfoNCE: each query tells its own key among a queue of others. He et al. 2020, eq. 1; with it
/// MTPret's eq. 2, whose exp(q, k) / τ is read as exp(q · k / τ).
///
/// ```text
/// loss = −1/N Σ_n log( exp(q_n · k_n / τ) / (exp(q_n · k_n / τ) + Σ_j exp(q_n · queue_j / τ)) )
/// ```
/// Shapes: q `[N, D]`, k `[N, D]`, queue `[K, D]`, a row per key, all of unit length → loss `[1]`.
/// Only q has a derivative: keys come from the momentum encoder. Errs if the shapes do not fit or
/// one of them is empty. Cost: 2·N·K·D flop forward, as much backward; saves the N·K logits.
#[derive(Clone, Copy, Debug)]
pub struct InfoNce {
    /// Temperature τ, above 0.
    pub temperature: f32,
}

/// Tensors that the gradient of [`InfoNce`] needs: the keys, the logits, and for each query the
/// logarithm of the queue's sum and the queue's share of the softmax.
#[derive(Clone, Debug)]
pub struct Saved {
    k: Tensor,
    queue: Tensor,
    logits: Tensor,
    state: Tensor,
}

impl Op<3> for InfoNce {
    type Saved = Saved;

    fn forward(&self, rec: &Recording, [q, k, queue]: [&Tensor; 3]) -> Result<(Tensor, Saved)> {
        fit(&q.shape, &k.shape, &queue.shape)?;
        let p = self.params(q, queue);
        let cost =
            |flops, trips: usize| Cost { flops, trips: trips as u64, shape: shape(q, queue) };
        let logits = self.logits(rec, q, queue)?;

        let (queries, chunks) = (q.rows(), chunks(&p));
        let sums = Tensor::new(rec, &[chunks, 2, queries]);
        let grid = Gpu::grid(chunks * logits.quads());
        let flops = 2 * (queries * queue.rows()) as u64;
        rec.launch(
            &CHUNK_SUMS,
            &[],
            p,
            &[&logits.data, &sums.data],
            grid,
            cost(flops, 2 * p.chunk as usize - 1),
        )?;

        let (state, loss) = (Tensor::new(rec, &[queries, 2]), Tensor::new(rec, &[1]));
        let slices = [&q.data, &k.data, &sums.data, &state.data, &loss.data];
        let flops = 2 * (queries * q.channels()) as u64;
        let trips = queries.div_ceil(256) * (q.quads() + 2 * chunks);
        rec.launch(&LOSS, &[], p, &slices, [1, 1, 1], cost(flops, trips))?;
        Ok((loss, Saved { k: k.clone(), queue: queue.clone(), logits, state }))
    }
    fn backward(
        &self,
        rec: &Recording,
        Saved { k, queue, logits, state }: &Saved,
        dloss: &Tensor,
        [needed, ..]: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        if !needed {
            return Ok([None, None, None]);
        }
        let p = self.params(k, queue);
        let (queries, quads, chunks) = (k.rows(), k.quads(), chunks(&p));
        let partial = Tensor::new(rec, &[chunks, queries, k.channels()]);
        let (kernel, grid) = match self.by_subgroup(rec, k, queue) {
            true => {
                let grid = [chunks, queries.div_ceil(8), quads.div_ceil(32)].map(|g| g as u32);
                (&CHUNK_GRADIENTS_SUBGROUP, grid)
            }
            false => (&CHUNK_GRADIENTS, Gpu::grid(chunks * logits.quads() * quads)),
        };
        let slices = [&logits.data, &state.data, &queue.data, &partial.data];
        let flops = 2 * (queries * queue.rows() * k.channels()) as u64;
        let cost = Cost { flops, trips: p.chunk.into(), shape: shape(k, queue) };
        rec.launch(kernel, &[], p, &slices, grid, cost)?;

        let dq = Tensor::new(rec, &k.shape);
        let slices = [&k.data, &state.data, &partial.data, &dloss.data, &dq.data];
        let flops = (chunks * queries * k.channels()) as u64;
        let cost = Cost { flops, trips: chunks as u64, shape: shape(k, queue) };
        rec.launch(&GRAD_QUERY, &[], p, &slices, Gpu::grid(queries * quads), cost)?;
        Ok([Some(dq), None, None])
    }
}

impl InfoNce {
    /// Logits q · queueᵀ / τ, `[K, N]`.
    fn logits(&self, rec: &Recording, q: &Tensor, queue: &Tensor) -> Result<Tensor> {
        let (queries, keys) = (q.rows(), queue.rows());
        let logits = Tensor::new(rec, &[keys, queries]);
        let p = self.params(q, queue);
        let (kernel, grid, trips) = match self.by_subgroup(rec, q, queue) {
            true => {
                let grid = [chunks(&p) as u32, queries.div_ceil(8) as u32, 1];
                (&LOGITS_SUBGROUP, grid, q.quads().div_ceil(32) * (1 + p.chunk as usize))
            }
            false => (&LOGITS, Gpu::grid(keys * logits.quads()), q.quads()),
        };
        let slices = [&q.data, &queue.data, &logits.data];
        let flops = 2 * (queries * keys * q.channels()) as u64;
        let cost = Cost { flops, trips: trips as u64, shape: shape(q, queue) };
        rec.launch(kernel, &[], p, &slices, grid, cost)?;
        Ok(logits)
    }
    /// Whether the kernels run in which eight lanes share their loads.
    fn by_subgroup(&self, rec: &Recording, q: &Tensor, queue: &Tensor) -> bool {
        let caps = rec.gpu.caps();
        let able = caps.subgroup.is_some_and(|lanes| lanes >= 8);
        let (op, shapes) = (*self, [q.shape.clone(), q.shape.clone(), queue.shape.clone()]);
        let kernel = rec.choose(Problem {
            name: format!("info_nce: {}", shape(q, queue)),
            kernels: if able {
                vec![Variant::Plain, Variant::Subgroup]
            } else {
                vec![Variant::Plain]
            },
            default: if able && caps.software { Variant::Subgroup } else { Variant::Plain },
            half: false,
            prepare: Box::new(move |gpu| op.prepare(gpu, &shapes)),
        });
        kernel == Variant::Subgroup
    }
    /// Loss and gradient of random unit vectors of these shapes.
    fn prepare(self, gpu: &Gpu, shapes: &[Vec<usize>; 3]) -> Result<Recorder> {
        let unit = |shape: &Vec<usize>| {
            let length = (shape[1] as f64 / 3.0).sqrt();
            Tensor::upload(gpu, &Array::random(shape, shape[0] as u64).map(|v| v / length))
        };
        let x = [unit(&shapes[0])?, unit(&shapes[1])?, unit(&shapes[2])?];
        let one = Tensor::upload(gpu, &Array::new(&[1], vec![1.0]))?;
        Ok(Box::new(move |rec| {
            let (_, saved) = self.forward(rec, x.each_ref())?;
            let [dq, ..] = self.backward(rec, &saved, &one, [true, false, false])?;
            Ok(dq.expect("it was asked for").data)
        }))
    }
    fn params(&self, q: &Tensor, queue: &Tensor) -> Params {
        let keys = queue.rows();
        Params {
            queries: q.rows() as u32,
            keys: keys as u32,
            quads: q.quads() as u32,
            chunk: keys.div_ceil(CHUNKS).max(64) as u32,
            scale: 1.0 / self.temperature,
        }
    }
}

/// Puts a batch's keys into the queue behind those of the samples before it (`Step::samples` without `Step::first`,
/// modulo K), and at row 0 after the last.
///
/// Shapes: keys `[N, D]`, queue `[K, D]` in memory of its own, step as `Step::upload` makes it.
/// Errs if the shapes do not fit or N exceeds K. He et al. 2020, algorithm 1.
pub fn enqueue(rec: &Recording, keys: &Tensor, queue: &Tensor, step: &Tensor) -> Result<()> {
    put(rec, keys, queue, step, false)
}

/// Puts the keys of a part of a batch to their places among those of the whole batch, `[B, D]`, from where [`enqueue`] takes
/// them at the step's end: no key is a negative of its own step.
///
/// # Errors
/// As [`enqueue`].
pub fn keep(rec: &Recording, keys: &Tensor, whole: &Tensor, step: &Tensor) -> Result<()> {
    put(rec, keys, whole, step, true)
}

fn put(rec: &Recording, keys: &Tensor, queue: &Tensor, step: &Tensor, part: bool) -> Result<()> {
    if keys.channels() != queue.channels() || keys.rows() > queue.rows() {
        let expected = format!("keys that fit a queue {:?}", queue.shape);
        return Err(Error::shape("info_nce/enqueue", expected, format!("{:?}", keys.shape)));
    }
    let (quads, size) = (keys.quads(), keys.rows() * keys.quads());
    let p = Enqueue {
        size: size as u32,
        quads: quads as u32,
        keys: queue.rows() as u32,
        is_part: part.into(),
    };
    let slices = [&keys.data, &step.data, &queue.data];
    let cost = Cost { flops: 0, trips: 0, shape: shape(keys, queue) };
    rec.launch(&ENQUEUE, &[], p, &slices, Gpu::grid(size), cost)
}

/// Checks that q, k and the queue fit one another.
fn fit(q: &[usize], k: &[usize], queue: &[usize]) -> Result<()> {
    let fit = q.len() == 2 && q == k && queue.len() == 2 && queue[1] == q[1];
    let full = [q, queue].iter().all(|shape| shape.iter().all(|axis| *axis > 0));
    if fit && full {
        return Ok(());
    }
    let found = format!("{q:?}, {k:?} and {queue:?}");
    Err(Error::shape("info_nce", "q and k [N, D] and queue [K, D]", found))
}

fn chunks(p: &Params) -> usize {
    p.keys.div_ceil(p.chunk) as usize
}

fn shape(q: &Tensor, queue: &Tensor) -> String {
    format!("{} × {} queries, {} keys", q.rows(), q.channels(), queue.rows())
}
