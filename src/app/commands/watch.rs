//! Progress of a run on the command line: a bar on a terminal, plain lines elsewhere, JSON for programs.

use crate::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use mtpret_pipeline::train::{
    estimate::span,
    run::{Reading, Watch},
};
use std::{
    cell::RefCell,
    io::IsTerminal,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Prints progress and listens for Ctrl-C.
pub struct Console {
    stop: Arc<AtomicBool>,
    bar: Option<RefCell<ProgressBar>>,
    json: bool,
}

impl Console {
    /// On a terminal a bar on standard error; with `json`, one object a line on standard output.
    ///
    /// # Errors
    /// The system lets nobody listen for Ctrl-C.
    pub fn new(json: bool) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let heard = stop.clone();
        ctrlc::set_handler(move || {
            // A second Ctrl-C ends the program at once: the last checkpoint is whole.
            if heard.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            eprintln!("\nstopping after this step; the run is being saved (Ctrl-C again: at once)");
        })
        .map_err(|e| {
            let found = format!("that the system refuses: {e}");
            Error::config("Ctrl-C", "to hear of it", found, "start the program from a terminal")
        })?;
        let bar =
            (!json && std::io::stderr().is_terminal()).then(|| RefCell::new(ProgressBar::hidden()));
        Ok(Self { stop, bar, json })
    }
}

/// When something that a person waits for began, and when it was last spoken of.
static WAITING: Mutex<Option<[Instant; 2]>> = Mutex::new(None);
/// What takes less is not worth a word.
const PATIENCE: Duration = Duration::from_millis(500);

/// Shows on standard error how far something is: one line that changes on a terminal, a line every two seconds elsewhere.
pub fn progress(what: &str, done: usize, of: usize) {
    let (now, terminal) = (Instant::now(), std::io::stderr().is_terminal());
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let [begun, spoken] = waiting.filter(|_| done > 0).unwrap_or([now; 2]);
    *waiting = Some([begun, spoken]);
    if now - begun < PATIENCE {
        return;
    }
    let ended = done == of;
    let pause = Duration::from_millis(if terminal { 100 } else { 2000 });
    if !ended && spoken > begun && now - spoken < pause {
        return;
    }
    *waiting = Some([begun, now]);
    let took =
        if ended { format!(", {:.1} s", (now - begun).as_secs_f64()) } else { String::new() };
    let line = format!("{what} {done}/{of}{took}");
    match (terminal, ended) {
        (true, false) => eprint!("\r\x1b[K{line}"),
        (true, true) => eprintln!("\r\x1b[K{line}"),
        (false, _) => eprintln!("{line}"),
    }
}

impl Watch for Console {
    fn reading(&self, r: &Reading) {
        if self.json {
            println!("{}", serde_json::to_string(r).expect("a reading is plain data"));
            return;
        }
        let numbers = format!(
            "loss {:.4}  lr {:.2e}  {:.1} img/s  data wait {:.1} %  {} MiB  ETA {}",
            r.loss,
            r.lr,
            r.images_per_second,
            r.data_wait_percent,
            r.memory_mib,
            span(r.eta_seconds)
        );
        let Some(bar) = &self.bar else {
            eprintln!("{} {}/{}  {numbers}", r.stage, r.step, r.steps);
            return;
        };
        let mut bar = bar.borrow_mut();
        if bar.is_hidden() || bar.prefix() != r.stage || bar.is_finished() {
            bar.finish_and_clear();
            let style = ProgressStyle::with_template("{prefix} {bar:20} {pos}/{len}  {msg}");
            *bar = ProgressBar::new(r.steps)
                .with_style(style.expect("the template is fixed"))
                .with_prefix(r.stage.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        bar.set_message(numbers);
        bar.set_position(r.step);
        if r.step >= r.steps {
            bar.finish();
        }
    }
    fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) if !bar.borrow().is_hidden() => bar.borrow().println(line),
            _ => eprintln!("{line}"),
        }
    }
    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
