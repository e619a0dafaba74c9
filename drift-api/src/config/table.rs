//! Every variable with its default and what it is for: the reader, `.env.example` and the documentation all take it from here.

/// One variable: its name, what it is when nobody sets it, and what it is for.
pub struct Setting {
    pub name: &'static str,
    pub default: &'static str,
    pub help: &'static str,
    /// May hold a secret: then `NAME_FILE` can name a file that has the value, and problems never echo it.
    pub secret: bool,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        default,
        help,
        secret: false,
    }
}

/// Every variable that this program reads, beside the standard `OTEL_*`.
pub const SETTINGS: &[Setting] = &[
    setting(
        "DRIFT_LISTEN",
        "127.0.0.1:8080",
        "Address and port to listen on; port 0 takes a free one.",
    ),
    Setting {
        name: "DRIFT_DATABASE_URL",
        default: "sqlite://drift-data/drift.db",
        help: "sqlite://PATH, or postgres://USER:PASSWORD@HOST/DATABASE.",
        secret: true,
    },
    setting(
        "DRIFT_ARTIFACTS_URL",
        "file://drift-data/artifacts",
        "Where evidence is kept: file://FOLDER, or s3://BUCKET/PREFIX with the usual AWS_* variables.",
    ),
    setting(
        "DRIFT_ARTIFACTS_QUOTA",
        "10737418240",
        "Bytes of evidence that one workspace may keep; 0 is no limit.",
    ),
    setting(
        "DRIFT_PUBLIC_URL",
        "",
        "Where clients reach this server; used in links. Default: the address it listens on.",
    ),
    Setting {
        name: "DRIFT_SIGNING_KEY",
        default: "",
        help: "Signs links to evidence; at least 32 characters, the same for every process. Default: one that is drawn once and kept in the database.",
        secret: true,
    },
    Setting {
        name: "DRIFT_GITHUB_WEBHOOK_SECRET",
        default: "",
        help: "Secret of the webhook that points at /hooks/github. Default: webhooks are refused.",
        secret: true,
    },
    setting(
        "DRIFT_SESSION_LIFETIME",
        "12h",
        "How long somebody who signed in to the pages stays signed in.",
    ),
    setting(
        "DRIFT_GITHUB_OAUTH_CLIENT_ID",
        "",
        "Of an OAuth app at GitHub whose callback is /sign-in/github/callback. Default: people sign in with keys only.",
    ),
    Setting {
        name: "DRIFT_GITHUB_OAUTH_CLIENT_SECRET",
        default: "",
        help: "Of the same OAuth app.",
        secret: true,
    },
    setting(
        "DRIFT_GITHUB_OAUTH_ORGS",
        "",
        "Organisations whose members may sign in with GitHub, separated by commas.",
    ),
    setting(
        "DRIFT_GITHUB_OAUTH_USERS",
        "",
        "Users who may sign in with GitHub, separated by commas.",
    ),
    setting(
        "DRIFT_GITHUB_OAUTH_ADMINS",
        "",
        "Of these the users who may decide things and manage keys; the others only look. Default: all.",
    ),
    setting(
        "DRIFT_GITHUB_URL",
        "https://github.com",
        "Where people sign in; another address for GitHub Enterprise.",
    ),
    setting(
        "DRIFT_GITHUB_API_URL",
        "https://api.github.com",
        "Its API, as in https://github.example.com/api/v3.",
    ),
    setting(
        "DRIFT_MIGRATE",
        "true",
        "Bring the database up to date at start. With false, `drift-api migrate` must have been run.",
    ),
    setting(
        "DRIFT_WORKERS",
        "0",
        "Threads that serve HTTP; 0 is one per core.",
    ),
    setting(
        "DRIFT_RATE_PER_KEY",
        "100000",
        "Reports per second that one key may send, unless it has a rate of its own; 0 is no limit.",
    ),
    setting(
        "DRIFT_QUEUE_REPORTS",
        "20000",
        "Reports that may wait to be stored; what comes on top gets a 503.",
    ),
    setting(
        "DRIFT_FLUSH_REPORTS",
        "2000",
        "Reports in one transaction at most.",
    ),
    setting(
        "DRIFT_STORE_DEADLINE",
        "10s",
        "After this a transaction that does not come back counts as failed.",
    ),
    setting(
        "DRIFT_BODY_DEADLINE",
        "10s",
        "Time that a request has to send its head, and as much again for its body.",
    ),
    setting(
        "DRIFT_SHUTDOWN_DEADLINE",
        "20s",
        "Time for requests in flight and the queue when the server is told to stop.",
    ),
    setting(
        "DRIFT_RETAIN_REPORT_DAYS",
        "365",
        "Days after which a report's payload is erased; 0 is never.",
    ),
    setting(
        "DRIFT_RETAIN_REPORT_COUNT",
        "0",
        "How many newest payloads are kept per workspace; 0 is all.",
    ),
    setting(
        "DRIFT_RETAIN_BATCH_DAYS",
        "0",
        "Days for which daily counters are kept; 0 is for ever.",
    ),
    setting(
        "DRIFT_RETAIN_BATCH_COUNT",
        "0",
        "How many batches are kept per workspace, whole days at a time; 0 is all.",
    ),
    setting(
        "DRIFT_RETAIN_ARTIFACT_DAYS",
        "365",
        "Days for which evidence is kept that no open issue and no comparison needs; 0 is for ever.",
    ),
    setting(
        "DRIFT_RETAIN_ARTIFACT_COUNT",
        "0",
        "How many newest pieces of evidence are kept per workspace, beside those that are needed; 0 is all.",
    ),
    setting(
        "DRIFT_LOG",
        "info,actix_server=warn",
        "What is logged, as in info,drift_api=debug.",
    ),
    setting("DRIFT_LOG_FORMAT", "pretty", "pretty or json."),
];

/// The text of `.env.example`.
pub fn example() -> String {
    let mut text = "# Settings of drift-api with their defaults. Printed by `drift-api check-config --example`.\n\
                    # Flags win over the environment, the environment over a file given with --config.\n\
                    # The standard OTEL_* variables are read too; nothing is exported unless they name an endpoint.\n"
        .to_owned();
    for Setting {
        name,
        default,
        help,
        secret,
    } in SETTINGS
    {
        text += &format!("\n# {help}\n");
        if *secret {
            text += &format!("# May also be the path of a file: {name}_FILE\n");
        }
        text += &format!("#{name}={default}\n");
    }
    text
}
