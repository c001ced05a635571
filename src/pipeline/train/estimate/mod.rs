//! How long a stage or an experiment will take, and how much memory: a few steps, measured; and what else is measured.

pub mod demo;
pub mod dry_run;
pub mod init;
pub mod kernels;
pub mod synthetic;

/// A time for people: `4.2 s`, `31 s`, `7 min 58 s`, `2 h 05 min`.
pub fn span(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}
