//! The log: lines on standard error, for people or for machines, panics included.
//!
//! Used by [`start`](super::start) only; everybody else writes to it through `tracing`.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};

use anyhow::{Context as _, bail};
use drift_telemetry::BoxedLayer;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer as _};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line per event, with colours on a terminal.
    #[default]
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Logs what any stranger can cause. Heard only if the filter names it.
const STRANGERS: &str = "actix_http";

pub(super) fn layer(format: LogFormat, filter: &str) -> anyhow::Result<BoxedLayer> {
    let filter = parse_filter(filter)?;
    let mut lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // On a terminal the layer's own default stands, which honours NO_COLOR.
    if !io::stderr().is_terminal() {
        lines = lines.with_ansi(false);
    }
    Ok(match format {
        LogFormat::Pretty => lines.with_filter(filter).boxed(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            lines.with_filter(filter).boxed()
        }
    })
}

/// For the configuration, which reports all problems at once.
pub fn check_filter(text: &str) -> Result<(), &'static str> {
    parse_filter(text)
        .map(|_| ())
        .map_err(|_| "is not a log filter, as in info,drift_api=debug")
}

fn parse_filter(text: &str) -> anyhow::Result<EnvFilter> {
    let problem = || format!("log filter {text:?} (it looks like `info,drift_api=debug`)");
    // A lone word is the name of a module to EnvFilter: a mistyped level would silence the log.
    for directive in text.split(',').map(str::trim) {
        let lone = !directive.is_empty() && !directive.contains(['=', '[']);
        if lone && directive.parse::<LevelFilter>().is_err() {
            bail!("{}: {directive:?} is not a level", problem());
        }
    }
    let filter = EnvFilter::builder().parse(text).with_context(problem)?;
    if text.contains(STRANGERS) {
        return Ok(filter);
    }
    // Bytes that are not HTTP are answered, and no error of ours; it has a line at `error` for each of them.
    let quiet = format!("{STRANGERS}::h1::dispatcher=off");
    Ok(filter.add_directive(quiet.parse()?))
}

/// An error and its causes on one line: `error = %causes(&error)`. Given as an error, the JSON format would drop the causes.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        // Some errors end with what their cause says.
        if !text.ends_with(&said) {
            text += ": ";
            text += &said;
        }
        cause = next.source();
    }
    text
}

/// A panic is an error in the log like any other, and is told once.
pub(super) fn log_panics() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if tracing::enabled!(tracing::Level::ERROR) {
            log_panic(panic);
        } else {
            // The log is filtered away; a panic must not be.
            default(panic);
        }
    }));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(tracing::field::display);
    // Only with RUST_BACKTRACE, as usual.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        panic.message = panic.payload_as_str().unwrap_or("(not a text)"),
        panic.location = location,
        panic.thread = std::thread::current().name(),
        panic.backtrace = backtrace.as_ref().map(tracing::field::display),
        "panic"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_filters_are_understood() {
        for filter in [
            "info",
            "off",
            "info,drift_api=debug",
            "warn,[http.request]=debug",
            "",
        ] {
            assert!(parse_filter(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn causes_are_told_once_each() {
        let inner = io::Error::other("the disk is full");
        let middle = io::Error::other(inner);
        let outer = crate::store::StoreError::Unavailable(sqlx::Error::Io(middle));
        let told = causes(&outer);
        assert!(told.starts_with("the database cannot be reached"), "{told}");
        assert_eq!(told.matches("the disk is full").count(), 1, "{told}");
    }

    #[test]
    fn a_mistyped_filter_is_named() {
        for filter in ["inof", "info,drift_api", "drift_api=loud", "info,=,"] {
            let error = parse_filter(filter).unwrap_err();
            assert!(format!("{error:#}").contains(filter), "{error:#}");
        }
    }
}
