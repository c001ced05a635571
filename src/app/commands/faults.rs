//! How an error is told to who asked: as a malformed request, with the flag that helps, by an exit code.

use crate::{Error, Place};
use clap::Command;
use std::path::Path;

/// The flag that helps after an error, if the subcommand has it. Errors themselves speak of settings: only the program has
/// flags.
pub fn hint(error: &Error, subcommand: &Command) -> Option<String> {
    let has =
        |flag: &str| subcommand.get_arguments().any(|argument| argument.get_long() == Some(flag));
    let memory = "--memory MIB says what a training step may take";
    Some(match error {
        Error::Interrupted(folder) if has("resume") => {
            format!("go on with --resume {}", folder.display())
        }
        Error::Changed(_) if has("accept-changes") => {
            "--accept-changes, beside --resume, goes on with it as it is now".into()
        }
        Error::Memory(_) if has("resume") => {
            format!("{memory}, --set data.batch=N how many films it learns from")
        }
        Error::Memory(_) if has("batch") => format!("{memory}, --batch N of how many films it is"),
        Error::Lost(_) if has("reopen") => {
            "go on with --resume RUN, and with --reopen N the adapter is opened again by itself"
                .into()
        }
        // Of a known set that lies nowhere.
        Error::Data(fault)
            if has("data")
                && fault.place.file.is_none()
                && fault.expected.starts_with("its folder ") =>
        {
            "--data DIR names a folder that holds data sets side by side".into()
        }
        Error::Adapter(_) if has("adapter") => {
            "--adapter N|NAME takes another of those that `mtpret doctor` lists and tests".into()
        }
        _ => return None,
    })
}

/// The exit code of the program when it ends with this error.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Request(_) => 2,
        Error::Interrupted(_) => 130,
        _ => 1,
    }
}

/// The fault of what was asked for, as a malformed request.
pub fn as_request(error: Error) -> Error {
    match error {
        Error::Config(fault) | Error::Data(fault) | Error::Weights(fault) => Error::Request(fault),
        Error::Shape { op, expected, found } => {
            Error::request(op, expected, found, "pass tensors that fit")
        }
        other => other,
    }
}

/// A file that was asked for and cannot be read, as a malformed request.
pub fn unread(error: Error) -> Error {
    match error {
        Error::Io { path, source, mend } => {
            Error::request(&path, "a file that can be read", source.to_string(), mend)
        }
        other => other,
    }
}

/// A file that is no configuration, with the line.
pub fn not_a_configuration(file: &Path, text: &str, fault: &toml::de::Error, mend: &str) -> Error {
    let before = fault.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(before).filter(|byte| *byte == b'\n').count() as u64;
    let found = fault.message().trim().replace('\n', " ");
    Error::config(Place::from(file).line(line), "a configuration in TOML", found, mend)
}
