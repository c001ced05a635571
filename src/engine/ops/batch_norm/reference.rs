//! Reference of batch normalisation, on the host in f64.

use crate::tensor::Array;

/// Batch norm in f64: the hyper-parameters, and the running statistics before the pass.
#[derive(Clone, Debug)]
pub struct Equation {
    /// Whether to normalise by the batch.
    pub training: bool,
    /// Number added to the variance.
    pub eps: f64,
    /// Share of the new statistics in the running ones.
    pub momentum: f64,
    /// Parts of the batch with statistics of their own.
    pub groups: usize,
    /// Running mean and variance.
    pub running: [Array; 2],
    /// Whether y is max(0, ·).
    pub relu: bool,
}

impl Equation {
    /// Returns y, and the running statistics after the pass.
    pub fn run(
        &self,
        [x, weight, bias]: [&Array; 3],
        residual: Option<&Array>,
    ) -> (Array, [Array; 2]) {
        let c = weight.data.len();
        let groups = if self.training { self.groups } else { 1 };
        let rows = x.data.len() / c / groups;
        let mut y = x.clone();
        let mut running = self.running.clone();
        if self.training {
            running.iter_mut().flat_map(|r| &mut r.data).for_each(|v| *v *= 1.0 - self.momentum);
        }
        for (g, channel) in (0..groups).flat_map(|g| (0..c).map(move |channel| (g, channel))) {
            let at = |row: usize| (g * rows + row) * c + channel;
            let n = rows as f64;
            let (mean, variance) = if self.training {
                let mean = (0..rows).map(|r| x.data[at(r)]).sum::<f64>() / n;
                let squares: f64 = (0..rows).map(|r| (x.data[at(r)] - mean).powi(2)).sum();
                let share = self.momentum / groups as f64;
                running[0].data[channel] += share * mean;
                running[1].data[channel] += share * squares / (n - 1.0);
                (mean, squares / n)
            } else {
                (running[0].data[channel], running[1].data[channel])
            };
            for row in 0..rows {
                let normal = (x.data[at(row)] - mean) / (variance + self.eps).sqrt();
                let added = residual.map_or(0.0, |r| r.data[at(row)]);
                let v = normal * weight.data[channel] + bias.data[channel] + added;
                y.data[at(row)] = if self.relu { v.max(0.0) } else { v };
            }
        }
        (y, running)
    }
}
