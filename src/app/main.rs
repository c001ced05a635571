//! `mtpret`: see [`crate::commands`].

fn main() -> std::process::ExitCode {
    mtpret::commands::main()
}
