//! Fine-tuning begins with a new head, or with the one that stage 2 learnt.

use super::continual::{config, films, fine_tuned, run};
use mtpret_pipeline::train::config::{Finetune, Log, Metric, Model, Multitask, Optim, Stage};
use std::path::Path;

/// A fine-tuning that moves next to nothing, from these weights.
fn still(stage: &Multitask, task: &str, weights: &Path, keep_head: bool) -> Finetune {
    let Multitask { data, source, augment, classify, segment, optim, .. } = stage.clone();
    Finetune {
        seed: 5,
        epochs: 1,
        task: task.into(),
        patience: 0,
        keep_head,
        metric: Metric::Main,
        data,
        source,
        augment,
        model: Model { weights: Some(weights.into()), ..stage.model.clone() },
        classify,
        segment,
        detect: None,
        optim: Optim { lr: 1e-12, ..optim },
        log: Log { every: 4, save_every: 1000 },
    }
}

#[test]
fn a_kept_head_is_the_one_that_stage_2_learnt() {
    let films = films();
    let folder = tempfile::tempdir().unwrap();
    let stage = config(films.path());
    let second = folder.path().join("multitask");
    let learnt = run(&second, &stage, None);
    for (task, weight) in [("classes", "fc.weight"), ("discs", "classifier.4.weight")] {
        let values = |keep_head: bool| {
            let config = still(&stage, task, &second, keep_head);
            let tensors = fine_tuned(&folder.path().join(format!("{task}-{keep_head}")), &config);
            tensors.unwrap()[weight].as_f32().unwrap().to_vec()
        };
        let wanted = learnt[&format!("heads.{task}.{weight}")].as_f32().unwrap();
        let far = |values: &[f32]| {
            let each = values.iter().zip(wanted).map(|(a, b)| (a - b).abs());
            each.fold(0.0, f32::max)
        };
        assert!(far(&values(true)) < 1e-6, "{task}: the head is not stage 2's");
        assert!(far(&values(false)) > 1e-3, "{task}: a new head is the old one");
    }
    // A run of stage 3 has no head of stage 2.
    let third = folder.path().join("classes-true");
    let config = still(&stage, "classes", &third, true);
    let error = fine_tuned(&folder.path().join("none"), &config).unwrap_err().to_string();
    assert!(error.contains("heads.classes.fc"), "{error}");
    let none = Finetune { model: Model { weights: None, ..config.model.clone() }, ..config };
    let error = none.validate().unwrap_err().to_string();
    assert!(error.contains("keep_head") && error.contains("model.weights"), "{error}");
}
