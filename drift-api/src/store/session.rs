//! The seam between two databases: a pool, a session and a row that are either Postgres or SQLite, so that
//! everything above is written once, in plain SQL with `$1` placeholders that both understand.
//!
//! Why not `sqlx::Any`: it cannot decode UUIDs, and nothing but text and numbers survives it.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow, Postgres};
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, PgPool, Row as _, SqlitePool, Transaction};
use uuid::Uuid;

use super::DatabaseUrl;

/// How long a request waits for a free connection, or for a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Writers do not disturb readers and the other way round: each has connections of its own.
#[derive(Clone)]
pub(crate) enum Database {
    Postgres {
        write: PgPool,
        read: PgPool,
    },
    /// One connection writes, so that writers queue here and not in SQLite's busy loop.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
}

impl Database {
    /// Opens no connection yet: a database that is down is noticed, and waited for, by the first who asks.
    pub(crate) fn open(url: &DatabaseUrl) -> sqlx::Result<Self> {
        match url {
            DatabaseUrl::Postgres(url) => {
                let options: PgConnectOptions =
                    secrecy::ExposeSecret::expose_secret(url).parse()?;
                let options = options
                    .disable_statement_logging()
                    // Postgres takes a list of steps for a hundred, and would rather compile a statement for tens of
                    // milliseconds than run it for one.
                    .options([("timezone", "UTC"), ("jit", "off")]);
                let pool = |size| {
                    PgPoolOptions::new()
                        .max_connections(size)
                        .acquire_timeout(PATIENCE)
                };
                // Writers try again when a connection has died meanwhile, so they need not ask it first.
                let write = pool(4).test_before_acquire(false);
                Ok(Self::Postgres {
                    write: write.connect_lazy_with(options.clone()),
                    read: pool(6).connect_lazy_with(options),
                })
            }
            DatabaseUrl::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(Duration::from_secs(10))
                    .foreign_keys(false)
                    .statement_cache_capacity(400)
                    .pragma("cache_size", "-16000")
                    // Checkpoints every 32 MB instead of 4: the pages of the counters are written over and over.
                    .pragma("wal_autocheckpoint", "8000")
                    // Else SQLite makes and removes a file for undoing a single statement, with every flush.
                    .pragma("temp_store", "MEMORY")
                    .disable_statement_logging();
                let pool = |size| {
                    SqlitePoolOptions::new()
                        .max_connections(size)
                        .acquire_timeout(PATIENCE)
                        .test_before_acquire(false)
                };
                Ok(Self::Sqlite {
                    write: pool(1).connect_lazy_with(options.clone()),
                    read: pool(4).connect_lazy_with(options),
                })
            }
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }

    /// The same database through one connection of its own, for work with temporary tables.
    pub(crate) fn alone(&self) -> Self {
        match self {
            Self::Postgres { write, .. } => {
                let one = PgPoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(PATIENCE)
                    .idle_timeout(None)
                    .max_lifetime(None);
                let both = one.connect_lazy_with((*write.connect_options()).clone());
                Self::Postgres {
                    write: both.clone(),
                    read: both,
                }
            }
            Self::Sqlite { write, .. } => {
                let one = SqlitePoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(PATIENCE)
                    .idle_timeout(None)
                    .max_lifetime(None);
                // Its temporary tables may be as large as the live ones.
                let options = (*write.connect_options())
                    .clone()
                    .pragma("temp_store", "FILE");
                let both = one.connect_lazy_with(options);
                Self::Sqlite {
                    write: both.clone(),
                    read: both,
                }
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }

    /// A transaction that writes. On SQLite it takes the write lock now: a deferred one can fail when it first writes.
    pub(crate) async fn write(&self) -> sqlx::Result<Session> {
        Ok(Session(match self {
            Self::Postgres { write, .. } => Kind::Postgres(
                write
                    .begin_with("BEGIN ISOLATION LEVEL READ COMMITTED")
                    .await?,
            ),
            Self::Sqlite { write, .. } => Kind::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
        }))
    }

    /// The same for many small statements by key. Postgres would plan some of them anew each time, for longer than they run.
    pub(crate) async fn write_by_key(&self) -> sqlx::Result<Session> {
        match self {
            Self::Postgres { write, .. } => {
                let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL plan_cache_mode = force_generic_plan";
                Ok(Session(Kind::Postgres(write.begin_with(begin).await?)))
            }
            Self::Sqlite { .. } => self.write().await,
        }
    }

    /// The same for what follows from the log and is made again should a crash take it. Postgres need not wait for the disk.
    pub(crate) async fn write_what_can_be_lost(&self) -> sqlx::Result<Session> {
        match self {
            Self::Postgres { write, .. } => {
                let begin =
                    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = OFF";
                Ok(Session(Kind::Postgres(write.begin_with(begin).await?)))
            }
            Self::Sqlite { .. } => self.write().await,
        }
    }

    /// A transaction that sees the log and all tables as of one moment, and holds up nobody.
    pub(crate) async fn snapshot(&self) -> sqlx::Result<Session> {
        Ok(Session(match self {
            Self::Postgres { read, .. } => Kind::Postgres(
                read.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
                    .await?,
            ),
            Self::Sqlite { read, .. } => Kind::Sqlite(read.begin_with("BEGIN DEFERRED").await?),
        }))
    }

    /// The rows of one reading statement.
    pub(crate) async fn rows<const N: usize>(
        &self,
        sql: &'static str,
        params: [Param; N],
    ) -> sqlx::Result<Vec<Row>> {
        match self {
            Self::Postgres { read, .. } => Ok(pg(sql, params)
                .fetch_all(read)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect()),
            Self::Sqlite { read, .. } => Ok(sqlite(sql, params)
                .fetch_all(read)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect()),
        }
    }

    pub(crate) async fn row<const N: usize>(
        &self,
        sql: &'static str,
        params: [Param; N],
    ) -> sqlx::Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }
}

/// An open transaction; dropped without `commit`, it is rolled back.
pub(crate) struct Session(pub(super) Kind);

pub(super) enum Kind {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Session {
    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.0, Kind::Sqlite(_))
    }

    pub(crate) async fn rows<const N: usize>(
        &mut self,
        sql: &'static str,
        params: [Param; N],
    ) -> sqlx::Result<Vec<Row>> {
        match &mut self.0 {
            Kind::Postgres(tx) => Ok(pg(sql, params)
                .fetch_all(&mut **tx)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect()),
            Kind::Sqlite(tx) => Ok(sqlite(sql, params)
                .fetch_all(&mut **tx)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect()),
        }
    }

    pub(crate) async fn row<const N: usize>(
        &mut self,
        sql: &'static str,
        params: [Param; N],
    ) -> sqlx::Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn run<const N: usize>(
        &mut self,
        sql: &'static str,
        params: [Param; N],
    ) -> sqlx::Result<u64> {
        match &mut self.0 {
            Kind::Postgres(tx) => Ok(pg(sql, params).execute(&mut **tx).await?.rows_affected()),
            Kind::Sqlite(tx) => Ok(sqlite(sql, params)
                .execute(&mut **tx)
                .await?
                .rows_affected()),
        }
    }

    pub(crate) async fn commit(self) -> sqlx::Result<()> {
        match self.0 {
            Kind::Postgres(tx) => tx.commit().await,
            Kind::Sqlite(tx) => tx.commit().await,
        }
    }

    /// Rolls back now rather than when the connection is next used.
    pub(crate) async fn roll_back(self) -> sqlx::Result<()> {
        match self.0 {
            Kind::Postgres(tx) => tx.rollback().await,
            Kind::Sqlite(tx) => tx.rollback().await,
        }
    }
}

/// A value on its way into a statement.
#[derive(Debug, Clone)]
pub(crate) enum Param {
    Int(i64),
    OptInt(Option<i64>),
    Bool(bool),
    Text(String),
    OptText(Option<String>),
    Bytes(Vec<u8>),
    Uuid(Uuid),
    OptUuid(Option<Uuid>),
}

macro_rules! param_from {
    ($($from:ty => $variant:ident;)*) => {
        $(impl From<$from> for Param {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}
param_from! {
    i64 => Int;
    Option<i64> => OptInt;
    bool => Bool;
    &str => Text;
    String => Text;
    Option<String> => OptText;
    Vec<u8> => Bytes;
    [u8; 32] => Bytes;
    Uuid => Uuid;
    Option<Uuid> => OptUuid;
}

/// Words as one JSON text, which both databases can read as rows.
pub(crate) fn list(words: &[impl serde::Serialize]) -> super::Result<Param> {
    let text = serde_json::to_string(words).map_err(super::StoreError::Unwritable)?;
    Ok(text.into())
}

macro_rules! bind {
    ($name:ident, $db:ty, $arguments:ty) => {
        fn $name<const N: usize>(
            sql: &'static str,
            params: [Param; N],
        ) -> sqlx::query::Query<'static, $db, $arguments> {
            params
                .into_iter()
                .fold(sqlx::query(sql), |query, param| match param {
                    Param::Int(value) => query.bind(value),
                    Param::OptInt(value) => query.bind(value),
                    Param::Bool(value) => query.bind(value),
                    Param::Text(value) => query.bind(value),
                    Param::OptText(value) => query.bind(value),
                    Param::Bytes(value) => query.bind(value),
                    Param::Uuid(value) => query.bind(value),
                    Param::OptUuid(value) => query.bind(value),
                })
        }
    };
}
bind!(pg, Postgres, sqlx::postgres::PgArguments);
bind!(sqlite, Sqlite, sqlx::sqlite::SqliteArguments);

/// One row of an answer. Columns go by their place in the SELECT.
pub(crate) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    pub(crate) fn get<T>(&self, column: usize) -> sqlx::Result<T>
    where
        T: for<'r> sqlx::Decode<'r, Postgres>
            + sqlx::Type<Postgres>
            + for<'r> sqlx::Decode<'r, Sqlite>
            + sqlx::Type<Sqlite>,
    {
        match self {
            Self::Postgres(row) => row.try_get(column),
            Self::Sqlite(row) => row.try_get(column),
        }
    }

    /// A text that must be one of the domain's words.
    pub(crate) fn word<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        column: usize,
    ) -> sqlx::Result<T> {
        let text: String = self.get(column)?;
        text.parse().map_err(|error| bad_column(column, error))
    }

    pub(crate) fn word_if_any<
        T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
    >(
        &self,
        column: usize,
    ) -> sqlx::Result<Option<T>> {
        let text: Option<String> = self.get(column)?;
        text.map(|_| self.word(column)).transpose()
    }

    /// A text that is JSON of ours.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: usize) -> sqlx::Result<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| bad_column(column, error))
    }

    pub(crate) fn json_if_any<T: serde::de::DeserializeOwned>(
        &self,
        column: usize,
    ) -> sqlx::Result<Option<T>> {
        let text: Option<String> = self.get(column)?;
        text.map(|_| self.json(column)).transpose()
    }

    pub(crate) fn link(&self, column: usize) -> sqlx::Result<drift_schema::chain::Link> {
        let bytes: Vec<u8> = self.get(column)?;
        bytes
            .try_into()
            .map_err(|_| bad_column(column, drift_schema::words::NotA("32 bytes")))
    }
}

fn bad_column(
    column: usize,
    source: impl std::error::Error + Send + Sync + 'static,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: Box::new(source),
    }
}
