//! The program `mtpret`: its `main`, which runs [`crate::commands`].

fn main() -> std::process::ExitCode {
    mtpret::commands::main()
}
