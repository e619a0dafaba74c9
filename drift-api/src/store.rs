//! The event store: an append-only log with a hash chain, and the tables that are derived from it in the same
//! transaction. One implementation serves both databases; `session` is the seam between them.
//!
//! Who writes: `reports` (ingest), `runs` (the runner), `triage` (people), `keys`, `erase`. Who reads: `queries` and
//! `drifts` for programs, `pages` for people. Who checks: `verify`, `rebuild`.

mod artifacts;
mod bulk;
mod deciding;
mod drifts;
mod erase;
mod expiry;
mod facts;
mod keys;
mod log;
mod pages;
mod projection;
mod queries;
mod rebuild;
mod replay;
mod reports;
mod runs;
mod session;
mod sessions;
mod shadows;
mod standing;
mod tally;
mod totals;
mod transfer;
mod triage;
mod verify;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;

use drift_schema::event::DecodeError;
use secrecy::SecretString;
use sqlx::migrate::{MigrateError, Migrator};

pub use deciding::Decided;
pub use drifts::DriftCursor;
pub use erase::{Erased, Retention};
pub use keys::{KeyRow, NewKey};
pub use pages::*;
pub use queries::BatchCursor;
pub use rebuild::Rebuilt;
pub use reports::{Incoming, Outcome, Stored};
pub use transfer::Imported;
pub use verify::Verified;

use session::Database;

static POSTGRES: Migrator = sqlx::migrate!("../schema/migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("../schema/migrations/sqlite");

/// Where the store is. The Postgres form may hold a password.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    Postgres(SecretString),
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            text.parse::<sqlx::postgres::PgConnectOptions>()
                .map_err(|_| "is not a Postgres URL that can be read")?;
            return Ok(Self::Postgres(text.into()));
        }
        match text.strip_prefix("sqlite://") {
            Some("") | Some(":memory:") => {
                Err("must name a file, as in sqlite://drift-data/drift.db")
            }
            Some(path) => Ok(Self::Sqlite(path.into())),
            None => Err("must begin with postgres:// or sqlite://"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody's fault who asked; may pass by itself.
    #[error("the database cannot be reached or cannot write")]
    Unavailable(#[source] sqlx::Error),
    /// Two writers met; the same again may succeed.
    #[error("the database asks to run the transaction again")]
    Contended(#[source] sqlx::Error),
    #[error("a statement failed")]
    Statement(#[source] sqlx::Error),
    #[error("migrating the database failed")]
    Migration(#[source] MigrateError),
    #[error("an event of the log does not read")]
    Unreadable(#[from] DecodeError),
    #[error("an event could not be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    #[error("{0}")]
    Refused(String),
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let code = error
            .as_database_error()
            .and_then(|e| e.code().map(std::borrow::Cow::into_owned));
        match (&error, code.as_deref()) {
            (
                E::Io(_)
                | E::Tls(_)
                | E::Protocol(_)
                | E::PoolTimedOut
                | E::PoolClosed
                | E::WorkerCrashed,
                _,
            ) => Self::Unavailable(error),
            // Postgres: serialization failure, deadlock.
            (_, Some("40001" | "40P01")) => Self::Contended(error),
            // Postgres: connection trouble, no resources, read-only (a standby), shutting down or starting up.
            (_, Some(code))
                if code.len() == 5
                    && ["08", "53", "57", "58"]
                        .iter()
                        .any(|class| code.starts_with(class)) =>
            {
                Self::Unavailable(error)
            }
            (_, Some("25006" | "3D000" | "28P01" | "28000")) => Self::Unavailable(error),
            // SQLite, with or without an extended code: busy, locked, read-only, I/O error, full, cannot open.
            (_, Some(code))
                if code.len() < 5
                    && matches!(
                        code.parse::<u32>().map(|c| c & 0xff),
                        Ok(5 | 6 | 8 | 10 | 13 | 14)
                    ) =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Statement(error),
        }
    }
}

#[derive(Clone)]
pub struct Store {
    db: Database,
    ends: standing::Ends,
}

impl Store {
    /// Does not connect yet.
    pub fn open(url: &DatabaseUrl) -> Result<Self> {
        if let DatabaseUrl::Sqlite(path) = url
            && let Some(folder) = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
        {
            // What we make is for us alone; a folder that is there already stays as its owner wants it.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|error| StoreError::Unavailable(sqlx::Error::Io(error)))?;
        }
        Ok(Self {
            db: Database::open(url)?,
            ends: standing::Ends::default(),
        })
    }

    /// Brings the tables up to date. Safe to run from many processes at once: Postgres has an advisory lock for it, and on
    /// SQLite the loser of the race looks again.
    pub async fn migrate(&self) -> Result<()> {
        let mut tries = 0;
        loop {
            let done = match &self.db {
                Database::Postgres { write, .. } => POSTGRES.run(write).await,
                Database::Sqlite { write, .. } => SQLITE.run(write).await,
            };
            match done {
                Ok(()) => return Ok(()),
                Err(MigrateError::VersionMissing(version)) => {
                    return Err(StoreError::Refused(format!(
                        "the database is ahead of this program: a newer drift-api applied migration {version}; run that version or newer"
                    )));
                }
                Err(MigrateError::Execute(error)) if !is_taken(&error) => {
                    match StoreError::from(error) {
                        StoreError::Statement(error) => {
                            return Err(StoreError::Migration(error.into()));
                        }
                        other => return Err(other),
                    }
                }
                Err(error) if self.db.is_sqlite() && tries < 5 => {
                    tries += 1;
                    tracing::debug!(%error, "another process may be migrating too");
                    tokio::time::sleep(Duration::from_millis(50 * tries)).await;
                }
                Err(MigrateError::ExecuteMigration(error, version)) => {
                    return Err(match StoreError::from(error) {
                        StoreError::Statement(error) => {
                            StoreError::Migration(MigrateError::ExecuteMigration(error, version))
                        }
                        passing => passing,
                    });
                }
                Err(error) => return Err(StoreError::Migration(error)),
            }
        }
    }

    /// Whether the tables are those of this program.
    pub async fn is_migrated(&self) -> Result<bool> {
        let newest = |migrator: &Migrator| {
            migrator
                .iter()
                .map(|migration| migration.version)
                .max()
                .unwrap_or(0)
        };
        let expected = if self.db.is_sqlite() {
            newest(&SQLITE)
        } else {
            newest(&POSTGRES)
        };
        let found = self
            .db
            .row(
                "SELECT MAX(version) FROM _sqlx_migrations WHERE success",
                [],
            )
            .await;
        match found.map_err(StoreError::from) {
            Ok(row) => Ok(row
                .map(|row| row.get::<Option<i64>>(0))
                .transpose()?
                .flatten()
                .is_some_and(|version| version >= expected)),
            Err(StoreError::Statement(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A round trip, for readiness.
    pub async fn ping(&self) -> Result<()> {
        self.db.row("SELECT 1", []).await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// Whether another process has entered the same migration meanwhile. On SQLite nothing but the table's key stands between them.
fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
