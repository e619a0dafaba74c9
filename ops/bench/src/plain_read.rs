//! The whole log, read as plainly as the client library can: one statement, every column decoded, nothing done
//! with it. How fast `verify` and `rebuild` could be if they had nothing to compute.

use std::hint::black_box;

use anyhow::Result;
use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::bare;

const WHOLE_LOG: &str = "SELECT workspace, position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events";

type Columns = (
    String,
    i64,
    i64,
    String,
    i32,
    Option<Uuid>,
    Option<String>,
    Option<Vec<u8>>,
    Vec<u8>,
);

/// How many rows there were.
pub async fn whole_log(url: &str) -> Result<u64> {
    macro_rules! count {
        ($connection:expr) => {{
            let mut connection = $connection;
            let mut count = 0;
            let mut rows = sqlx::query_as::<_, Columns>(WHOLE_LOG).fetch(&mut connection);
            while let Some(row) = rows.try_next().await? {
                black_box(row);
                count += 1;
            }
            drop(rows);
            connection.close().await?;
            Ok(count)
        }};
    }
    match url.strip_prefix("sqlite://") {
        Some(path) => count!(SqliteConnection::connect_with(&bare::sqlite(path)).await?),
        None => count!(PgConnection::connect(url).await?),
    }
}
