use std::process::ExitCode;

fn main() -> ExitCode {
    drift_browser::cli::main()
}
