//! Every variable with its default and what it is for: the reader and `--help` both take it from here.

/// One variable: its name, what it is when nobody sets it, and what it is for.
struct Variable(&'static str, &'static str, &'static str);

/// Every variable that is read. Secrets have a twin `NAME_FILE`.
const VARIABLES: &[Variable] = &[
    Variable(
        "DRIFT_API_URL",
        "http://127.0.0.1:8080",
        "where the backend is",
    ),
    Variable(
        "DRIFT_PUBLIC_URL",
        "",
        "where people open it, for links in issues; without it: DRIFT_API_URL, unless only this machine knows that",
    ),
    Variable(
        "DRIFT_RUNNER_KEY",
        "",
        "its key, of scope runner (or a file with it: DRIFT_RUNNER_KEY_FILE)",
    ),
    Variable(
        "DRIFT_SCRAPERS",
        "scrapers.toml",
        "which scraper serves which service",
    ),
    Variable(
        "DRIFT_TRACKER",
        "",
        "github or local; without it: github where GITHUB_REPOSITORY is set",
    ),
    Variable(
        "DRIFT_LOCAL_ISSUES",
        "drift-issues",
        "folder of the local tracker",
    ),
    Variable("GITHUB_REPOSITORY", "", "where issues go: owner/name"),
    Variable(
        "GITHUB_TOKEN",
        "",
        "with issues: write (or a file: GITHUB_TOKEN_FILE)",
    ),
    Variable(
        "GITHUB_API_URL",
        "https://api.github.com",
        "of another GitHub",
    ),
    Variable(
        "DRIFT_GITHUB_APP_ID",
        "",
        "log in as this App, in place of a token",
    ),
    Variable(
        "DRIFT_GITHUB_APP_KEY",
        "",
        "its private key, PEM (or a file: DRIFT_GITHUB_APP_KEY_FILE)",
    ),
    Variable(
        "DRIFT_GITHUB_INSTALLATION",
        "",
        "of the App; without it the repository's is asked for",
    ),
    Variable(
        "DRIFT_SCREENSHOTS",
        "link",
        "link: signed and expiring; branch: files on the branch drift-evidence",
    ),
    Variable(
        "DRIFT_GITHUB_WRITES_PER_MINUTE",
        "60",
        "GitHub allows about 80; 0 is no limit",
    ),
    Variable(
        "DRIFT_GITHUB_PATIENCE",
        "2m",
        "how long a rate limit may make a pass wait",
    ),
    Variable(
        "DRIFT_NEW_ISSUES_PER_TICK",
        "10",
        "what comes on top goes into one issue",
    ),
    Variable(
        "DRIFT_CONCURRENCY",
        "4",
        "services that are replayed side by side",
    ),
    Variable(
        "DRIFT_LEASE",
        "2m",
        "after a crash, another runner takes over when this has passed",
    ),
    Variable(
        "DRIFT_API_PATIENCE",
        "30s",
        "how long a call to the backend is repeated while it is away",
    ),
    Variable(
        "DRIFT_SCHEDULE",
        "0 0 * * * *",
        "of the daemon: second minute hour day month weekday, in UTC",
    ),
    Variable(
        "DRIFT_JITTER",
        "60s",
        "of the daemon: each pass waits up to that long, so that not all runners come at once",
    ),
    Variable(
        "DRIFT_RUNNER_NAME",
        "",
        "who holds a lease, for people; without it: the host's name",
    ),
    Variable(
        "DRIFT_LOG",
        "info",
        "what is logged, as in info,drift_runner=debug",
    ),
    Variable("DRIFT_LOG_FORMAT", "pretty", "pretty or json"),
];

pub(super) fn default_of(name: &str) -> &'static str {
    let found = VARIABLES.iter().find(|variable| variable.0 == name);
    found.map_or("", |variable| variable.1)
}

/// For `--help`.
pub fn variables() -> String {
    let mut text = "Environment:\n".to_owned();
    for Variable(name, default, help) in VARIABLES {
        let default = if default.is_empty() {
            String::new()
        } else {
            format!(" [default: {default}]")
        };
        text += &format!("  {name:<31} {help}{default}\n");
    }
    text + "  OTEL_*                          the standard variables of OpenTelemetry: traces and metrics where they name a collector\n"
}
