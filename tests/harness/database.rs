//! The database behind a server, for stories that look or meddle there themselves.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use crate::server::Site;

pub enum Db {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Db {
    pub async fn open(site: &Site) -> Self {
        let url = &site.database_url;
        if url.starts_with("postgres") {
            Self::Postgres(PgConnection::connect(url).await.expect("a connection"))
        } else {
            Self::Sqlite(SqliteConnection::connect(url).await.expect("a connection"))
        }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Waits until the connection is gone; dropping it does not.
    pub async fn close(self) {
        match self {
            Self::Postgres(connection) => connection.close().await.expect("closed"),
            Self::Sqlite(connection) => connection.close().await.expect("closed"),
        }
    }

    /// Runs statements, as they are.
    pub async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(connection) => {
                sqlx::raw_sql(sql).execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                sqlx::raw_sql(sql).execute(connection).await?;
            }
        }
        Ok(())
    }

    /// Statements that must work.
    pub async fn must(&mut self, sql: &str) {
        if let Err(error) = self.run(sql).await {
            panic!("{sql}: {error}");
        }
    }

    /// What the database says when it refuses.
    pub async fn refused(&mut self, sql: &str) -> String {
        match self.run(sql).await {
            Ok(()) => panic!("should have been refused: {sql}"),
            Err(error) => error.to_string(),
        }
    }

    /// How the database would go about a statement, without values for its parameters. On Postgres whatever is not forced to
    /// read all of a table will not.
    pub async fn plan(&mut self, sql: &str) -> Result<Vec<String>, sqlx::Error> {
        match self {
            Self::Postgres(connection) => {
                let parameters = (1..).take_while(|n| sql.contains(&format!("${n}")));
                let nothing: Vec<&str> = parameters.map(|_| "NULL").collect();
                let values = match nothing.len() {
                    0 => String::new(),
                    _ => format!("({})", nothing.join(", ")),
                };
                let prepared = AssertSqlSafe(format!(
                    "DEALLOCATE ALL; SET enable_seqscan = off; SET enable_bitmapscan = off;
                    SET plan_cache_mode = force_generic_plan; PREPARE planned AS {sql}"
                ));
                sqlx::raw_sql(prepared).execute(&mut *connection).await?;
                let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE planned{values}"));
                let rows = sqlx::raw_sql(explain).fetch_all(connection).await?;
                rows.iter().map(|row| row.try_get(0)).collect()
            }
            Self::Sqlite(connection) => {
                let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
                let rows = sqlx::query(sql).fetch_all(connection).await?;
                rows.iter().map(|row| row.try_get("detail")).collect()
            }
        }
    }

    /// The first column of every row, as text; columns are cast in the statement.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await.expect("rows");
                rows.iter().map(|row| row.get(0)).collect()
            }
            Self::Sqlite(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await.expect("rows");
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// One number; NULL is zero.
    pub async fn number(&mut self, sql: &str) -> i64 {
        let sql = format!("SELECT CAST(COALESCE(({sql}), 0) AS TEXT)");
        let texts = self.texts(&sql).await;
        texts[0].parse().expect("a number")
    }

    /// Takes the triggers of the log away, as somebody who may change tables can.
    pub async fn disarm(&mut self) {
        if self.is_sqlite() {
            let triggers = self
                .texts("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
                .await;
            for trigger in triggers {
                self.must(&format!("DROP TRIGGER {trigger}")).await;
            }
        } else {
            self.must("ALTER TABLE events DISABLE TRIGGER USER").await;
        }
    }
}
