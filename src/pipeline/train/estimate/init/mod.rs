//! Every stage's configuration for some data sets: what was timed chooses size, batch and epochs, and is told above them.

mod frame;
mod template;

use super::{
    dry_run::{self, DryRun},
    span,
};
use crate::{
    Result,
    data::{Dataset, Kind, Roots, Source},
    train::{
        Device,
        config::{self, Stage},
    },
};
use frame::{Budget, Chosen, Frame, epochs};
use std::{collections::BTreeMap, path::PathBuf};
use template::Template;

/// Of the time for all stages, what each may take where all three are run.
const SHARES: [(&str, f64); 3] = [("pretrain", 0.4), ("multitask", 0.3), ("finetune", 0.3)];
/// Epochs at which a size is worth its time, and at most; rounds likewise.
const WANTED: u64 = 20;
const MOST: u64 = 100;

/// A data set that was found, and its films.
pub struct Set {
    /// How to read it, as a configuration has it.
    pub source: Source,
    /// What it is, in words.
    pub what: String,
    /// Its films.
    pub data: Dataset,
}

impl Set {
    /// The section that has its size and batch.
    fn section(&self) -> &'static str {
        match self.data.labels.kind {
            Kind::Mask => "segment",
            Kind::Boxes => "detect",
            Kind::Classes | Kind::Multi | Kind::None => "data",
        }
    }
    /// Whether a network can be fine-tuned on it and measured.
    pub fn is_task(&self) -> bool {
        let Dataset { labels, val, test, .. } = &self.data;
        labels.kind != Kind::None && !val.is_empty() && !test.is_empty()
    }
}

/// What configurations are made of.
pub struct InitPlan<'a> {
    /// By whom they are written, for their first line.
    pub author: &'a str,
    /// Minutes that all stages may take together.
    pub minutes: u32,
    /// Bytes of device memory that a step may take; without it four fifths of what the driver tells of.
    pub memory: Option<u64>,
    /// What steps are timed on.
    pub gpu: &'a Device,
    /// The data sets, the largest task first.
    pub sets: &'a [Set],
    /// The stages, in their order.
    pub stages: &'a [&'static str],
    /// Where the configuration of a stage goes.
    pub file: &'a dyn Fn(&str) -> PathBuf,
    /// Hears what was timed.
    pub say: &'a dyn Fn(&str),
}

/// What was chosen for each kind of task, by its section.
type Frames = BTreeMap<&'static str, Chosen>;

impl InitPlan<'_> {
    /// The text of each stage's configuration.
    ///
    /// # Errors
    /// Whatever would stop a stage before its first step.
    pub fn files(&self) -> Result<Vec<(&'static str, String)>> {
        let frames = self.frames()?;
        let text = |stage: &&'static str| {
            let text = match *stage {
                "pretrain" => self.pretrain()?,
                "multitask" => self.multitask(&frames)?,
                _ => self.finetune(&frames)?,
            };
            Ok((*stage, text))
        };
        self.stages.iter().map(text).collect()
    }
    /// Seconds that a stage may take.
    fn seconds(&self, stage: &str) -> f64 {
        let share = |name: &str| SHARES.iter().find(|(n, _)| *n == name).map_or(0.0, |(_, s)| *s);
        let all: f64 = self.stages.iter().map(|stage| share(stage)).sum();
        f64::from(self.minutes) * 60.0 * share(stage) / all
    }
    fn budget(&self, stage: &str) -> Budget<'_> {
        let memory = self.memory.or(self.gpu.caps().memory.map(|all| all / 10 * 8));
        Budget { memory, seconds: self.seconds(stage), wanted: WANTED, name: "", say: self.say }
    }
    fn tasks(&self) -> Vec<&Set> {
        self.sets.iter().filter(|set| set.is_task()).collect()
    }
    /// A size and a batch for every kind of task, by the largest set of its kind.
    fn frames(&self) -> Result<Frames> {
        let mut frames = Frames::new();
        for set in self.tasks() {
            let section = set.section();
            if frames.contains_key(section) {
                continue;
            }
            let dry_run = |frame: Frame| {
                let own = [(section, frame)].into();
                let text = self.finetune_draft(set, &own)?.text("");
                let config: config::Finetune =
                    self.parse("finetune", &text, |c: &mut config::Finetune| &mut c.source)?;
                dry_run::finetune(self.gpu, &config)
            };
            let batch = if section == "data" { 16 } else { 8 };
            let budget = Budget { name: &set.source.name, ..self.budget("finetune") };
            frames.insert(section, budget.choose(set.data.train.len(), batch, dry_run)?);
        }
        Ok(frames)
    }
    /// A configuration from its text, its data sets found.
    fn parse<T: Stage>(
        &self,
        stage: &str,
        text: &str,
        sources: fn(&mut T) -> &mut Vec<Source>,
    ) -> Result<T> {
        let mut config: T = config::parse(text, &(self.file)(stage), &[])?;
        let located = |source: &mut Source| source.locate(&Roots::default());
        sources(&mut config).iter_mut().try_for_each(located)?;
        Ok(config)
    }
    fn draft(&self, stage: &str, sets: &[&Set]) -> Result<Template> {
        let mut template = Template::of(&format!("{stage}/resnet18"));
        let one = |set: &&Set| set.source.section(&set.what);
        template.sources(&sets.iter().map(one).collect::<Result<Vec<_>>>()?.join("\n"));
        Ok(template)
    }
    /// Says where a stage's weights come from: the stage before, if there is one.
    fn chain(&self, template: &mut Template, stage: &str) {
        if let Some(before) = self.stages.iter().take_while(|name| **name != stage).last() {
            template.set("model.weights", format!("\"runs/{before}\""));
        }
    }
    /// Writes sizes and batches; sections of kinds that no task is of are left out.
    fn kinds(template: &mut Template, frames: &BTreeMap<&'static str, Frame>) {
        for section in ["data", "segment", "detect"] {
            match frames.get(section) {
                Some(frame) => frame.write(template, section),
                None if section == "data" => {}
                None => template.remove(section),
            }
        }
    }
    fn finetune_draft(
        &self,
        set: &Set,
        frames: &BTreeMap<&'static str, Frame>,
    ) -> Result<Template> {
        let mut template = self.draft("finetune", &self.tasks())?;
        template.set("task", format!("{:?}", set.source.name));
        Self::kinds(&mut template, frames);
        Ok(template)
    }
    fn finetune(&self, frames: &Frames) -> Result<String> {
        let tasks = self.tasks();
        let set = tasks[0];
        let chosen = &frames[set.section()];
        let sizes = frames.iter().map(|(section, chosen)| (*section, chosen.frame)).collect();
        let mut template = self.finetune_draft(set, &sizes)?;
        let epochs = epochs(&chosen.dry_run, self.seconds("finetune")).min(MOST);
        template.set("epochs", epochs);
        template.set("patience", (epochs / 4).max(3));
        template.set("log.every", chosen.dry_run.steps.clamp(1, 20));
        self.chain(&mut template, "finetune");
        let timed: Vec<&str> = frames.values().flat_map(|c| &c.timed).map(String::as_str).collect();
        let others = match tasks[1..].iter().map(|set| set.source.name.as_str()).collect::<Vec<_>>()
        {
            none if none.is_empty() => String::new(),
            names => format!("\n`task` may name another: {}.", names.join(", ")),
        };
        let comment = self.comment(
            "finetune",
            &format!("Fine-tuning on {}", set.source.name),
            &timed,
        ) + &format!(
            "{epochs} epochs: as many as fit, {MOST} at most; it ends sooner when the figure no longer grows.{others}"
        );
        self.checked::<config::Finetune>("finetune", template.text(&comment))
    }
    fn multitask(&self, frames: &Frames) -> Result<String> {
        let tasks = self.tasks();
        let names: Vec<&str> = tasks.iter().map(|set| set.source.name.as_str()).collect();
        let mut template = self.draft("multitask", &tasks)?;
        template.set("tasks", format!("{names:?}"));
        let sizes = frames.iter().map(|(section, chosen)| (*section, chosen.frame)).collect();
        Self::kinds(&mut template, &sizes);
        let config =
            self.parse("multitask", &template.text(""), |c: &mut config::Multitask| &mut c.source)?;
        let dry_runs = dry_run::multitask(self.gpu, &config)?;
        let whole = DryRun::together("a round", &dry_runs);
        let timed = frame::describe("a round of all tasks", None, &whole);
        (self.say)(&timed);
        let rounds = epochs(&whole, self.seconds("multitask")).min(MOST);
        template.set("rounds", rounds);
        template.set("log.every", dry_runs.iter().map(|r| r.steps).min().unwrap_or(1).clamp(1, 20));
        self.chain(&mut template, "multitask");
        let comment = self.comment("multitask", "Multitask continual learning", &[&timed])
            + &format!(
                "{rounds} rounds: as many as fit, {MOST} at most. Sizes are those of fine-tuning."
            );
        self.checked::<config::Multitask>("multitask", template.text(&comment))
    }
    fn pretrain_draft(&self, frame: Frame, films: usize) -> Result<Template> {
        // A data set that serves several purposes has its films in one place.
        let mut roots = Vec::new();
        let mut sets: Vec<&Set> = self.sets.iter().collect();
        sets.retain(|set| {
            let place = (&set.source.root, &set.source.images);
            let new = !roots.contains(&place);
            roots.push(place);
            new
        });
        let mut template = self.draft("pretrain", &sets)?;
        frame.write(&mut template, "data");
        let batch = frame.batch;
        template.set("moco.queue", (films / 2 / batch * batch).clamp(batch, 24576 / batch * batch));
        template.set("moco.bn_splits", if batch.is_multiple_of(4) { 4 } else { 2 });
        template.set("optim.lr", 0.03 * batch as f64 / 256.0);
        match sets.iter().find(|set| set.is_task() && set.section() == "data") {
            Some(set) => template.set("monitor.source", format!("{:?}", set.source.name)),
            None => template.remove("monitor"),
        }
        Ok(template)
    }
    fn pretrain(&self) -> Result<String> {
        let films = self.sets.iter().map(|set| set.data.train.len()).sum();
        let dry_run = |frame: Frame| {
            let text = self.pretrain_draft(frame, films)?.text("");
            let config = self.parse("pretrain", &text, |c: &mut config::Pretrain| &mut c.source)?;
            dry_run::pretrain(self.gpu, &config)
        };
        let budget = Budget { name: "pretrain", ..self.budget("pretrain") };
        let chosen = budget.choose(films, 16, dry_run)?;
        let Chosen { frame, dry_run, timed } = &chosen;
        let mut template = self.pretrain_draft(*frame, dry_run.films)?;
        let epochs = epochs(dry_run, self.seconds("pretrain")).min(MOST);
        template.set("epochs", epochs);
        // The average of a short run must follow within it.
        if epochs * dry_run.steps < 5000 {
            template.set("moco.momentum", 0.99);
        }
        template.set("log.every", dry_run.steps.clamp(1, 20));
        let timed: Vec<&str> = timed.iter().map(String::as_str).collect();
        let comment = self.comment("pretrain", "Contrastive pretraining, without labels", &timed)
            + &format!("{epochs} epochs: as many as fit, {MOST} at most.");
        self.checked::<config::Pretrain>("pretrain", template.text(&comment))
    }
    /// What stands above a configuration.
    fn comment(&self, stage: &str, title: &str, timed: &[&str]) -> String {
        let (author, adapter) = (self.author, &self.gpu.info().name);
        let time = span(self.seconds(stage));
        format!(
            "{title}: written by `{author}` for {adapter}.\n\n\
             {time} for this stage. Timed here:\n  {}\n\
             Of the sizes from 64 to 512 pixels it is the largest at which {WANTED} epochs fit by the time of a pixel, else the\n\
             smallest; a batch is 16 films (8 with masks or boxes) as far as memory goes, and a quarter of the films at most.\n",
            timed.join("\n  ")
        )
    }
    /// The text, once it is known to be a configuration that loads.
    fn checked<T: Stage>(&self, stage: &str, text: String) -> Result<String> {
        config::parse::<T>(&text, &(self.file)(stage), &[])?;
        Ok(text)
    }
}
