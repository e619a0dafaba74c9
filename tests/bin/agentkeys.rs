use std::process::ExitCode;

fn main() -> ExitCode {
    drift_client::cli::main()
}
