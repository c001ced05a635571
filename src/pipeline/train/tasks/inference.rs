//! Inference: a network without its training, recorded once and run over films.

use super::{Predicted, Scorer, Task};
use crate::{
    Error, Result,
    data::{BadFilm, Loader, Sample},
    train::{
        config::Data,
        tasks::{
            loading::evaluating,
            model::{TaskModel, fields, view},
        },
    },
};
use mtpret_engine::{
    autograd::{Mode, Tape},
    gpu::{Gpu, Program, Recording},
    step::{Inputs, Samples::Numbers},
    tensor::{Step, Tensor},
};

/// Recorded inference: rows of numbers, one for each film.
pub struct Inference {
    inputs: Inputs,
    /// Films of a batch.
    samples: usize,
    program: Program,
    outputs: Vec<Tensor>,
}

impl Inference {
    /// Records `network` on films `[N, H, W, 3]` of `data`'s size, whose extents it is given as `[N, 2]`, and
    /// keeps the tensors `[N, …]` it gives. A batch that goes beyond the adapter's limits runs in parts; no
    /// row depends on another, so the rows are the same.
    ///
    /// # Errors
    /// Shapes that do not fit, or one film beyond the adapter's limits.
    pub fn new(
        gpu: &Gpu,
        data: &Data,
        network: impl Fn(&Recording, &Tensor, &Tensor) -> Result<Vec<Tensor>>,
    ) -> Result<Self> {
        let mut n = data.batch;
        loop {
            match gpu.built(|| Self::record(gpu, data, n, &network)) {
                Err(Error::Memory(_)) if n > 1 => n = n.div_ceil(2),
                recorded => return recorded,
            }
        }
    }
    fn record(
        gpu: &Gpu,
        data: &Data,
        n: usize,
        network: impl Fn(&Recording, &Tensor, &Tensor) -> Result<Vec<Tensor>>,
    ) -> Result<Self> {
        let film = data.height * data.width;
        let inputs = Inputs::new(gpu, fields(n, film, 1))?;
        let rec = Recording::new(gpu);
        let size = [n, data.height, data.width];
        let x = view(data, None, 0).forward(&rec, inputs.tensor("films"), size, &inputs.step)?;
        let outputs = network(&rec, &x, inputs.tensor("extents"))?;
        outputs.iter().for_each(|rows| rec.keep(&rows.data));
        Ok(Self { inputs, samples: n, program: Program::new(rec)?, outputs })
    }
    /// Runs one pass over a loader of `samples`; `each` takes the rows of every film that could be read.
    ///
    /// # Errors
    /// Too many films that cannot be read, a prediction that is not finite, a lost device, or what `each` gives.
    pub fn run(
        &mut self,
        loader: &mut Loader,
        samples: &[Sample],
        mut each: impl FnMut(&Predicted) -> Result<()>,
    ) -> Result<()> {
        self.run_unchecked(loader, samples, |predicted| {
            predicted.finite()?;
            each(predicted)
        })
    }
    /// As [`Inference::run`], but `each` is given predictions that are not finite too.
    ///
    /// # Errors
    /// Too many films that cannot be read, a lost device, or what `each` gives.
    pub fn run_unchecked(
        &mut self,
        loader: &mut Loader,
        samples: &[Sample],
        mut each: impl FnMut(&Predicted) -> Result<()>,
    ) -> Result<()> {
        let n = self.samples;
        for _ in 0..loader.epoch_len() {
            let batch = loader.next_batch()?;
            let [_, extents, pixels] = batch.fields();
            let fields = [Numbers(&[]), extents, pixels];
            for part in 0..batch.films.len().div_ceil(n) {
                let films = part * n..((part + 1) * n).min(batch.films.len());
                self.inputs.send(&Step::default(), &fields, part)?;
                self.program.run();
                let outputs = self.outputs.iter().map(|rows| rows.read(&self.program));
                let outputs = outputs.collect::<Result<Vec<_>>>()?;
                for (row, film) in films.enumerate() {
                    let part = |all: &mtpret_engine::tensor::Array| {
                        let width = all.data.len() / n;
                        all.data[row * width..(row + 1) * width].iter().map(|v| *v as f32).collect()
                    };
                    let row: Vec<f32> =
                        outputs.iter().flat_map(|all| -> Vec<f32> { part(all) }).collect();
                    each(&Predicted {
                        sample: &samples[batch.indices[film]],
                        row: &row,
                        size: batch.films[film].size,
                        extent: batch.extents[film],
                    })?;
                }
            }
        }
        Ok(())
    }
    /// Has `scorer` take the predictions for `samples`; returns the films that are bad.
    ///
    /// # Errors
    /// As [`Inference::run`].
    pub fn score(
        &mut self,
        task: &dyn Task,
        samples: &[Sample],
        scorer: &mut dyn Scorer,
    ) -> Result<Vec<BadFilm>> {
        let mut loader = Loader::new(samples.to_vec(), evaluating(task))?;
        self.run(&mut loader, samples, |predicted| scorer.add(predicted))?;
        Ok(loader.bad())
    }
}

impl TaskModel {
    /// Recorded inference with the head of this number.
    ///
    /// # Errors
    /// As [`Inference::new`].
    pub fn inference(&self, gpu: &Gpu, task: &dyn Task, head: usize) -> Result<Inference> {
        Inference::new(gpu, task.data(), |rec, x, extents| {
            let tape = Tape::new(rec, self.state(), Mode::Eval);
            self.heads[head].outputs(&tape, &tape.input(x), extents)
        })
    }
}
