//! `mtpret`: see [`mtpret::cli`].

fn main() -> std::process::ExitCode {
    mtpret::cli::main()
}
