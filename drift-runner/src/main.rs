use std::process::ExitCode;

fn main() -> ExitCode {
    drift_runner::cli::main()
}
