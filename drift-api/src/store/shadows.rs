//! The tables once more, as temporary tables of the same names: on the connection that has them they hide the live
//! ones, which are seen through views. What `verify` compares and what `rebuild` mends.

use drift_schema::Workspace;

use super::Result;
use super::session::Session;

/// Statements about a table that is small enough to be compared and mended as a whole.
struct Small {
    postgres: [&'static str; 2],
    sqlite: [&'static str; 2],
    differing: &'static str,
    count: &'static str,
    mend_postgres: [&'static str; 2],
    mend_sqlite: [&'static str; 2],
}

macro_rules! small {
    ($table:literal, $key:literal, $columns:literal) => {
        Small {
            postgres: [
                concat!("CREATE TEMP VIEW live_", $table, " AS SELECT * FROM ", $table),
                concat!("CREATE TEMP TABLE ", $table, " (LIKE ", $table, " INCLUDING ALL)"),
            ],
            sqlite: [
                concat!("CREATE TEMP VIEW live_", $table, " AS SELECT * FROM main.", $table),
                concat!("CREATE TEMP TABLE ", $table, " (", $columns, ", PRIMARY KEY (", $key, "))"),
            ],
            differing: concat!(
                "CREATE TEMP TABLE differing_", $table, " AS
                SELECT ", $key, " FROM (SELECT * FROM live_", $table, " EXCEPT SELECT * FROM ", $table, ") AS gone
                UNION
                SELECT ", $key, " FROM (SELECT * FROM ", $table, " EXCEPT SELECT * FROM live_", $table, ") AS missing"
            ),
            count: concat!("SELECT COUNT(*) FROM differing_", $table, " WHERE workspace = $1"),
            mend_postgres: small!(mend "live_", $table, $key),
            mend_sqlite: small!(mend "main.", $table, $key),
        }
    };
    (mend $live:literal, $table:literal, $key:literal) => {
        [
            concat!("DELETE FROM ", $live, $table, " WHERE (", $key, ") IN (SELECT ", $key, " FROM differing_", $table, ")"),
            concat!("INSERT INTO ", $live, $table, " SELECT * FROM ", $table, " WHERE (", $key, ") IN (SELECT ", $key, " FROM differing_", $table, ")"),
        ]
    };
}

/// The first are the keys, which `verify` counts by themselves.
const SMALL: [Small; 5] = [
    small!(
        "keys",
        "workspace, key",
        "workspace TEXT, key TEXT UNIQUE, name TEXT, scopes TEXT, hash TEXT, rate INTEGER, created_at INTEGER, revoked_at INTEGER"
    ),
    small!(
        "drifts",
        "workspace, service, step",
        "workspace TEXT, service TEXT, step TEXT, step_hash TEXT, stage TEXT, pending INTEGER, issue INTEGER, state TEXT"
    ),
    small!(
        "services",
        "workspace, service",
        "workspace TEXT, service TEXT, state TEXT"
    ),
    small!(
        "runs",
        "workspace, run",
        "workspace TEXT, run BLOB, service TEXT, token INTEGER, claimed_at INTEGER, state TEXT"
    ),
    small!(
        "artifacts",
        "workspace, sha256",
        "workspace TEXT, sha256 TEXT, media_type TEXT, size INTEGER, stored_at INTEGER"
    ),
];

const PG_BATCHES: [&str; 2] = [
    "CREATE TEMP VIEW live_batches AS SELECT * FROM batches",
    "CREATE TEMP TABLE batches (LIKE batches INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (workspace, day, service, step))",
];
const SQLITE_BATCHES: [&str; 2] = [
    "CREATE TEMP VIEW live_batches AS SELECT * FROM main.batches",
    "CREATE TEMP TABLE batches (workspace TEXT, day TEXT, service TEXT, step TEXT, count INTEGER, first_seen INTEGER, last_seen INTEGER,
        last_position INTEGER, fresh INTEGER, screenshot_ref TEXT, PRIMARY KEY (workspace, day, service, step)) WITHOUT ROWID",
];
/// For the events that say that batches were handled. Where there are none, the index would be for nothing.
const HANDLED_BATCHES: &str = "CREATE INDEX handled_batches ON batches (workspace, service, step)";
const SQLITE_HANDLED_BATCHES: &str =
    "CREATE INDEX temp.handled_batches ON batches (workspace, service, step)";
const ANY_RUN: &str = "SELECT 1 FROM live_runs LIMIT 1";

/// Numbered, so that a rebuild can mend them a few at a time.
const DIFFERING_BATCHES: &str = "
    CREATE TEMP TABLE differing_batches AS
    SELECT ROW_NUMBER() OVER () AS n, d.* FROM (
        SELECT workspace, day, service, step FROM (SELECT * FROM live_batches EXCEPT SELECT * FROM batches) AS gone
        UNION
        SELECT workspace, day, service, step FROM (SELECT * FROM batches EXCEPT SELECT * FROM live_batches) AS missing
    ) AS d";
const BATCHES_OF: &str = "SELECT COUNT(*) FROM differing_batches WHERE workspace = $1";
/// Rows of a workspace without a log would go unseen otherwise.
const WORKSPACES: &str = "
    SELECT workspace FROM differing_batches UNION SELECT workspace FROM differing_keys UNION SELECT workspace FROM differing_drifts
    UNION SELECT workspace FROM differing_services UNION SELECT workspace FROM differing_runs UNION SELECT workspace FROM differing_artifacts";

macro_rules! mend_batches {
    ($live:literal) => {
        [
            concat!(
                "DELETE FROM ", $live, " WHERE (workspace, day, service, step) IN
                    (SELECT workspace, day, service, step FROM differing_batches WHERE n > $1 AND n <= $2)"
            ),
            concat!(
                "INSERT INTO ", $live, " SELECT * FROM batches WHERE (workspace, day, service, step) IN
                    (SELECT workspace, day, service, step FROM differing_batches WHERE n > $1 AND n <= $2)"
            ),
        ]
    };
}
/// The views are what the live tables are called here; Postgres writes through them, SQLite has a name for them.
const PG_MEND: [&str; 2] = mend_batches!("live_batches");
const SQLITE_MEND: [&str; 2] = mend_batches!("main.batches");

/// Rows that are not what the log says, of one workspace.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Differing {
    pub(super) batches: i64,
    pub(super) keys: i64,
    /// Drifts, services, runs, artifacts.
    pub(super) lifecycle: i64,
}

impl Session {
    pub(super) async fn make_shadows(&mut self) -> Result<()> {
        let is_sqlite = self.is_sqlite();
        for statement in if is_sqlite {
            SQLITE_BATCHES
        } else {
            PG_BATCHES
        } {
            self.run(statement, []).await?;
        }
        for table in SMALL {
            for statement in if is_sqlite {
                table.sqlite
            } else {
                table.postgres
            } {
                self.run(statement, []).await?;
            }
        }
        if self.row(ANY_RUN, []).await?.is_some() {
            let index = if is_sqlite {
                SQLITE_HANDLED_BATCHES
            } else {
                HANDLED_BATCHES
            };
            self.run(index, []).await?;
        }
        Ok(())
    }

    /// Notes what differs, and says which workspaces that concerns.
    pub(super) async fn compare_shadows(&mut self) -> Result<Vec<Workspace>> {
        self.run(DIFFERING_BATCHES, []).await?;
        for table in SMALL {
            self.run(table.differing, []).await?;
        }
        let rows = self.rows(WORKSPACES, []).await?;
        Ok(rows
            .iter()
            .map(|row| row.word(0))
            .collect::<Result<_, _>>()?)
    }

    pub(super) async fn differing(&mut self, workspace: &Workspace) -> Result<Differing> {
        let mut differing = Differing {
            batches: self.count(BATCHES_OF, workspace).await?,
            ..Differing::default()
        };
        for (place, table) in SMALL.iter().enumerate() {
            let rows = self.count(table.count, workspace).await?;
            match place {
                0 => differing.keys = rows,
                _ => differing.lifecycle += rows,
            }
        }
        Ok(differing)
    }

    /// Puts the shadows' rows in the place of the live ones that differ: batches by their number.
    pub(super) async fn mend_batches(&mut self, after: i64, up_to: i64) -> Result<()> {
        let mend = if self.is_sqlite() {
            SQLITE_MEND
        } else {
            PG_MEND
        };
        for statement in mend {
            self.run(statement, [after.into(), up_to.into()]).await?;
        }
        Ok(())
    }

    pub(super) async fn mend_small_tables(&mut self) -> Result<()> {
        for table in SMALL {
            let mend = if self.is_sqlite() {
                table.mend_sqlite
            } else {
                table.mend_postgres
            };
            for statement in mend {
                self.run(statement, []).await?;
            }
        }
        Ok(())
    }

    async fn count(&mut self, sql: &'static str, workspace: &Workspace) -> Result<i64> {
        let row = self
            .row(sql, [workspace.as_str().into()])
            .await?
            .ok_or(sqlx::Error::RowNotFound)?;
        Ok(row.get(0)?)
    }
}
