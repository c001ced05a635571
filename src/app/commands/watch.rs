//! Progress of a run on the command line: a bar on a terminal, plain lines elsewhere, JSON for programs.

use super::signals;
use crate::{Result, print};
use indicatif::{ProgressBar, ProgressStyle};
use mtpret_pipeline::train::{
    estimate::span,
    run::{Reading, Watch},
};
use std::{
    cell::RefCell,
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Prints progress, and says whether the run was asked to stop.
pub struct Console {
    bar: Option<RefCell<ProgressBar>>,
    json: bool,
}

impl Console {
    /// On a terminal a bar on standard error; with `json`, one object a line on standard output.
    pub fn new(json: bool) -> Self {
        let bar =
            (!json && std::io::stderr().is_terminal()).then(|| RefCell::new(ProgressBar::hidden()));
        Self { bar, json }
    }
    /// From now on there is something to lose: the signals that end a program ask for a stop, and output that nobody reads or
    /// that does not fit on a disk ends nothing.
    ///
    /// # Errors
    /// The system lets nobody listen for Ctrl-C.
    pub fn listen(&self) -> Result<()> {
        print::go_on_unread();
        signals::listen()
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
        (true, false) => print::steer(format_args!("\r\x1b[K{line}")),
        (true, true) => print::steer(format_args!("\r\x1b[K{line}\n")),
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
                .with_prefix(print::shown(&r.stage).into_owned());
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
            Some(bar) if !bar.borrow().is_hidden() => bar.borrow().println(print::line(line)),
            _ => eprintln!("{}", print::line(line)),
        }
    }
    fn interrupted(&self) -> bool {
        signals::stop()
    }
}
