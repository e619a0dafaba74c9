use std::process::ExitCode;

fn main() -> ExitCode {
    drift_api::cli::main()
}
