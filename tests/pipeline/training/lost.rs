//! A device that is lost in the middle of a stage.

use super::{
    continual::{config, films},
    open,
};
use mtpret_engine::{Error, gpu::Gpu};
use mtpret_pipeline::{
    train::{
        run::{Reading, Run, Watch},
        stages::multitask::multitask,
    },
    weights::checkpoint,
};
use std::cell::Cell;

/// Loses the device after so many steps.
struct Loses {
    gpu: Gpu,
    left: Cell<u64>,
}

impl Watch for Loses {
    fn reading(&self, _: &Reading) {}
    fn note(&self, _: &str) {}
    fn interrupted(&self) -> bool {
        self.left.set(self.left.get().saturating_sub(1));
        if self.left.get() == 0 {
            self.gpu.lose();
        }
        false
    }
}

#[test]
fn a_lost_device_is_an_error_and_the_run_goes_on_from_its_checkpoint_bit_for_bit() {
    let films = films();
    let config = config(films.path());
    let run = |folder: &str, resume: bool, left: u64| {
        let gpu = open();
        let watch = Loses { gpu: gpu.gpu.clone(), left: Cell::new(left) };
        let run = Run::new(&films.path().join(folder), &watch, resume).unwrap();
        multitask(&gpu, &config, &run).map(|file| checkpoint::read(&file, None).unwrap().0)
    };
    let whole = run("whole", false, u64::MAX).unwrap();
    // The checkpoint is that of step 4, two before.
    let lost = run("lost", false, 6).unwrap_err();
    assert!(matches!(lost, Error::Lost(_)), "{lost:?}");
    assert!(
        lost.to_string().contains("expected the device to answer, found that it was lost ("),
        "{lost}"
    );
    assert!(run("lost", true, u64::MAX).unwrap() == whole, "the weights differ");
}
