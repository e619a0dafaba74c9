//! `drift-bench`: prints what the library has measured; exits with 1 when a target was missed.
#![allow(clippy::print_stdout, reason = "a command whose output is its result")]

use std::process::ExitCode;

use clap::Parser as _;
use drift_bench::options::Options;

fn main() -> ExitCode {
    let printed = drift_bench::run(Options::parse().what).and_then(|findings| match findings {
        Some(findings) => findings.render().map(|text| {
            println!("{text}");
            findings.all_met()
        }),
        None => Ok(true),
    });
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("drift-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
