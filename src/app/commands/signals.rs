//! Signals: those that ask a run to stop, and those that would end it without a word.

use crate::Result;
use std::sync::atomic::{AtomicBool, Ordering};

/// Somebody wants the run to stop.
static STOP: AtomicBool = AtomicBool::new(false);

/// What a person who asked is told at once.
const STOPPING: &str =
    "\nstopping after this step; the run is being saved (Ctrl-C again: at once)\n";
/// The exit code of a run that was stopped.
const STOPPED: i32 = 130;

/// Whether the run was asked to stop since [`listen`].
pub(in crate::commands) fn stop() -> bool {
    STOP.load(Ordering::SeqCst)
}

pub(in crate::commands) use system::{largest_file, listen, survive};

#[cfg(unix)]
mod system {
    use super::{Ordering, Result, STOP, STOPPED, STOPPING};

    /// Makes what would end the program without a word an error of the write that it came from: a file beyond the size that
    /// is allowed, a reader who has left (Rust itself sees to that one).
    pub(in crate::commands) fn survive() {
        // SAFETY: to ignore a signal installs no code.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    }

    /// Bytes that the system lets a file of this process have; none without a limit.
    pub(in crate::commands) fn largest_file() -> Option<u64> {
        let mut limit =
            libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the call writes to the one place that it is given.
        let asked = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) };
        (asked == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
    }

    /// Lets Ctrl-C, SIGTERM and SIGHUP ask the run to stop. Who started the program with SIGHUP ignored, as `nohup` does, wants
    /// it to outlive the terminal.
    pub(in crate::commands) fn listen() -> Result<()> {
        let handler = heard as extern "C" fn(libc::c_int) as libc::sighandler_t;
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: `heard` does only what a handler may do.
            unsafe {
                let before = libc::signal(signal, handler);
                if signal == libc::SIGHUP && before == libc::SIG_IGN {
                    libc::signal(signal, before);
                }
            }
        }
        Ok(())
    }

    /// A second Ctrl-C ends the program at once: the last checkpoint is whole. Another signal may well come twice, from the shell
    /// and from the terminal that both go.
    extern "C" fn heard(signal: libc::c_int) {
        let again = STOP.swap(true, Ordering::SeqCst);
        // SAFETY: both calls may be made in a handler, and the text lives for ever.
        unsafe {
            if again && signal == libc::SIGINT {
                libc::_exit(STOPPED);
            }
            if !again {
                libc::write(libc::STDERR_FILENO, STOPPING.as_ptr().cast(), STOPPING.len());
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::{Ordering, Result, STOP, STOPPED, STOPPING};
    use crate::Error;

    /// Nothing here ends a program without a word.
    pub(in crate::commands) fn survive() {}

    /// There is no such limit.
    pub(in crate::commands) fn largest_file() -> Option<u64> {
        None
    }

    /// Lets Ctrl-C ask the run to stop. A second Ctrl-C ends it at once. Windows ends a program whose window is closed without
    /// waiting for it: what the last checkpoint holds is kept.
    pub(in crate::commands) fn listen() -> Result<()> {
        let heard = || match STOP.swap(true, Ordering::SeqCst) {
            true => std::process::exit(STOPPED),
            false => eprint!("{STOPPING}"),
        };
        ctrlc::set_handler(heard).map_err(|e| {
            let found = format!("that the system refuses: {e}");
            Error::config("Ctrl-C", "to hear of it", found, "start the program from a terminal")
        })
    }
}
