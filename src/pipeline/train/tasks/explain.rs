//! What a fine-tuned network sees in films: its predictions beside what is known, and its attention.

use super::{
    Compared, Predicted, Task,
    attention::{Attention, GradCam, enlarged},
    loading::evaluating,
    model::TaskModel,
};
use crate::{
    Result,
    data::{Dataset, Loader, Sample},
};
use mtpret_engine::gpu::Gpu;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What a network says of films, by their paths.
pub struct Explanation {
    /// The network, and the class where there are several.
    pub name: String,
    /// The class that attention was asked of, by name.
    pub class: Option<String>,
    /// Its prediction beside what is known of the film; attention of a classifier.
    pub films: BTreeMap<PathBuf, (Compared, Option<Attention>)>,
}

/// A network that explains itself.
pub struct Explainer<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What it was trained on, and what is known of films.
    pub set: &'a Dataset,
    /// What its head is for.
    pub task: &'a dyn Task,
    /// Its weights.
    pub model: &'a TaskModel,
    /// Where they lie.
    pub gpu: &'a Gpu,
}

impl Explainer<'_> {
    /// An explanation for each of these labels, or for the one that the network finds likeliest without any. Boxes of a lower
    /// probability than `least` are left out.
    ///
    /// # Errors
    /// Films that cannot be read, or those of the device.
    pub fn explain(
        &self,
        samples: &[Sample],
        labels: &[usize],
        least: f64,
    ) -> Result<Vec<Explanation>> {
        // What is known of a film is what this network's own data set knows.
        let known = [&self.set.train, &self.set.val, &self.set.test].into_iter().flatten();
        let known: BTreeMap<&Path, &Sample> = known.map(|s| (&*s.path, s)).collect();
        // The loader takes films that are annotated alike, so that it is given none of what is known.
        let bare = |s: &Sample| Sample { target: Vec::new().into(), ..s.clone() };
        let bare: Vec<Sample> = samples.iter().map(bare).collect();
        let mut loader = Loader::new(bare.clone(), evaluating(self.task))?;
        let mut compared = BTreeMap::new();
        self.model.inference(self.gpu, self.task, 0)?.run(&mut loader, &bare, |predicted| {
            let path = &predicted.sample.path;
            let sample = known.get(&**path).copied().unwrap_or(predicted.sample);
            let found = self.task.compare(&Predicted { sample, ..*predicted }, least)?;
            compared.insert(path.clone(), found);
            Ok(())
        })?;
        if labels.is_empty() {
            return Ok(vec![self.explanation(self.name, &bare, compared, None)?]);
        }
        let of = |label: usize| {
            let class = &self.set.labels.names[label];
            let name = match labels.len() {
                1 => self.name.to_owned(),
                _ => format!("{}: {class}", self.name),
            };
            self.explanation(&name, &bare, compared.clone(), Some(label))
        };
        labels.iter().map(|label| of(*label)).collect()
    }
    /// Films that were compared, with the attention to a label or to the one of interest.
    fn explanation(
        &self,
        name: &str,
        samples: &[Sample],
        mut compared: BTreeMap<PathBuf, Compared>,
        label: Option<usize>,
    ) -> Result<Explanation> {
        for found in compared.values_mut() {
            if let (Compared::Labels { chosen, .. }, Some(label)) = (found, label) {
                *chosen = label;
            }
        }
        let asked = |s: &Sample| match compared.get(&s.path)? {
            Compared::Labels { chosen, .. } => Some((s.clone(), *chosen)),
            _ => None,
        };
        let asked: Vec<(Sample, usize)> = samples.iter().filter_map(asked).collect();
        let mut maps = BTreeMap::new();
        if !asked.is_empty() {
            GradCam::new(self.gpu, self.model, self.task)?.run(&asked, |predicted, map| {
                maps.insert(predicted.sample.path.clone(), enlarged(&map, predicted.size));
                Ok(())
            })?;
        }
        let both = compared.into_iter().map(|(path, found)| {
            let map = maps.remove(&path);
            (path, (found, map))
        });
        let class = label.map(|label| self.set.labels.names[label].clone());
        Ok(Explanation { name: name.into(), class, films: both.collect() })
    }
}
