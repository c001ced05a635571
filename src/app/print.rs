//! Printing: results on standard output, words to the person on standard error. Neither can end a run: the macros
//! shadow the standard library's of these names, which panic where a disk is full or a reader has left. Neither steers
//! a terminal: names of films, data sets and tensors are a stranger's.

use crate::Error;
use std::{
    borrow::Cow,
    fmt::Arguments,
    io::{self, ErrorKind, IsTerminal, Write},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// First error of standard output.
static REFUSED: Mutex<Option<io::Error>> = Mutex::new(None);
/// Whether more is at stake than what is printed.
static AT_WORK: AtomicBool = AtomicBool::new(false);
/// Exit status of a program whose reader has left, as a shell has it: 128 and SIGPIPE.
const NO_READER: i32 = 141;

/// Lets the program go on from now on where nobody reads its output any more, since it trains or writes
/// files.
pub(crate) fn go_on_unread() {
    AT_WORK.store(true, Ordering::SeqCst);
}

/// The error that the program ends with if its standard output did not take all. A reader who has left has all that it wanted.
pub(crate) fn refusal() -> Option<Error> {
    let refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let mend = "make room where it goes; files that were written are whole";
    let output = Path::new("standard output");
    (refused.kind() != ErrorKind::BrokenPipe).then(|| Error::io(output, refused, mend))
}

/// Text as a terminal may be given it: control characters but the ends of lines and tabs as they are written in code, `\x1b`,
/// and so what turns the direction of writing. JSON stays JSON, which has none below a blank, and means the same.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        let plain = matches!(c, '\n' | '\t');
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() && !plain) || turns
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match (steers(c), u32::from(c)) {
            (false, _) => safe.push(c),
            (true, code @ ..0x20) => safe += &format!("\\x{code:02x}"),
            (true, code) => safe += &format!("\\u{code:04x}"),
        }
    }
    Cow::Owned(safe)
}

/// As [`shown`], on one line: a name with the end of a line in it would say the next one in the program's name.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    match text.contains('\n') {
        true => Cow::Owned(shown(text).replace('\n', "\\x0a")),
        false => shown(text),
    }
}

/// Prints a table of data to standard output: to the letter, unless that is a terminal.
pub(crate) fn data(text: &str) {
    match io::stdout().is_terminal() {
        true => out(format_args!("{text}")),
        false => written(format_args!("{text}")),
    }
}

/// Prints to standard output. Where nobody reads it any more and nothing else is at stake, the program ends quietly.
pub(crate) fn out(text: Arguments) {
    written(format_args!("{}", shown(&text.to_string())));
}

fn written(text: Arguments) {
    let mut output = io::stdout().lock();
    let Err(fault) = output.write_fmt(text).and_then(|()| output.flush()) else { return };
    let at_work = AT_WORK.load(Ordering::SeqCst);
    if fault.kind() == ErrorKind::BrokenPipe && !at_work {
        std::process::exit(NO_READER);
    }
    let mut refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    if refused.is_none() && at_work {
        err(format_args!("standard output: {fault}; the run goes on\n"));
    }
    refused.get_or_insert(fault);
}

/// Prints to standard error; text that cannot be said there is said nowhere.
pub(crate) fn err(text: Arguments) {
    steer(format_args!("{}", shown(&text.to_string())));
}

/// Prints to standard error, as [`err`], text that is meant to steer a terminal.
pub(crate) fn steer(text: Arguments) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Prints as the standard library's macro, but never panics.
macro_rules! print {
    ($($text:tt)*) => { $crate::print::out(format_args!($($text)*)) };
}

/// Prints a line as the standard library's macro, but never panics.
macro_rules! println {
    ($($text:tt)*) => { $crate::print::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints to standard error as the standard library's macro, but never panics.
macro_rules! eprint {
    ($($text:tt)*) => { $crate::print::err(format_args!($($text)*)) };
}

/// Prints a line to standard error as the standard library's macro, but never panics.
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::print::err(format_args!("{}\n", format_args!($($text)*))) };
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{line, shown};

    #[test]
    fn nothing_steers_a_terminal_and_json_stays_the_same() {
        assert_eq!(shown("Lunge ä 胸部\n\tx"), "Lunge ä 胸部\n\tx");
        assert_eq!(shown("a\u{1b}[31m\u{7}\r\0"), "a\\x1b[31m\\x07\\x0d\\x00");
        assert_eq!(shown("\u{7f}\u{9b}\u{202e}"), "\\u007f\\u009b\\u202e");
        assert_eq!(line("films/b\nwarning: forged.png"), "films/b\\x0awarning: forged.png");
        let value = serde_json::json!({ "film": "a\u{1b}\u{9b}\u{202e}\n" });
        let back: serde_json::Value = serde_json::from_str(&shown(&value.to_string())).unwrap();
        assert_eq!(back, value);
    }
}
