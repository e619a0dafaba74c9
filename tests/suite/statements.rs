//! Every SQL text of the store, as it stands in the source: both databases can prepare it, and none reads a large table from
//! end to end.

use std::path::{Path, PathBuf};

use harness::server::Site;
use harness::{Db, Engine, on_both};

/// Tables that grow with use.
const LARGE: [&str; 7] = [
    "events",
    "batches",
    "batch_totals",
    "drifts",
    "runs",
    "facts",
    "artifacts",
];

/// Statements that may read a large table from end to end, and why.
const MAY_SCAN: [(&str, &str); 8] = [
    (
        "erase::NEWEST_DAY_TOO_MANY",
        "once a day, and it has to count",
    ),
    ("expiry::DRIFTS", "once a day, and drifts are few"),
    (
        "artifacts::BYTES",
        "once per stored artifact, of which there are few",
    ),
    ("runs::asking::ISSUES", "drifts with an issue are few"),
    (
        "standing::CONFIRMED",
        "drifts with an issue are few, and it is asked only after one of them changed",
    ),
    (
        "totals::NONE_LEFT",
        "once a day, and there is one for each drift",
    ),
    (
        "totals::FORGET",
        "after a rebuild or a clock that was wrong, and there is one for each drift",
    ),
    ("transfer::ANY_EVENT", "stops at the first"),
];

/// Texts of these are pieces, or about temporary tables; every story runs them.
const ELSEWHERE: [&str; 2] = ["bulk", "shadows"];

struct Statement {
    /// `runs::work::FRESH`
    name: String,
    sql: String,
    on: Option<Engine>,
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found.sort_unstable();
    found
}

fn statements() -> Vec<Statement> {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../drift-api/src/store");
    let mut all = Vec::new();
    for file in sources(&store) {
        let module = file.strip_prefix(&store).unwrap().with_extension("");
        let module = module.to_str().unwrap().replace('/', "::");
        if ELSEWHERE.iter().any(|piece| module.starts_with(piece)) {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        for item in source.split("const ").skip(1) {
            let Some((name, rest)) = item.split_once(": &str =") else {
                continue;
            };
            let text = rest.trim_start().strip_prefix('"');
            let Some(text) = text.and_then(|text| text.split_once("\";")) else {
                continue;
            };
            let sql = text.0.trim().to_owned();
            let first = sql.split_whitespace().next().unwrap_or_default();
            if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&first) {
                continue;
            }
            let has_twin = source.contains(&format!("const SQLITE_{name}: &str"));
            let on = if name.starts_with("SQLITE_") {
                Some(Engine::Sqlite)
            } else if has_twin || sql.contains("FOR UPDATE") {
                Some(Engine::Postgres)
            } else {
                None
            };
            all.push(Statement {
                name: format!("{module}::{name}"),
                sql,
                on,
            });
        }
    }
    assert!(all.len() > 60, "only {} were found", all.len());
    all
}

/// Indexes with few rows, whatever is stored.
const SMALL: [&str; 4] = [
    "batches_fresh",
    "drifts_pending",
    "drifts_by_issue",
    "autoindex",
];

/// The tables that this plan reads from end to end, or for a whole workspace.
fn scanned(engine: Engine, plan: &[String]) -> Vec<&'static str> {
    let reads_all = |line: &str, table: &str| match engine {
        Engine::Sqlite => {
            let whole =
                line.ends_with("(workspace=?)") && !SMALL.iter().any(|few| line.contains(few));
            (line.starts_with(&format!("SEARCH {table} ")) && whole)
                || (line.starts_with("SCAN") && line.split(' ').any(|word| word == table))
        }
        Engine::Postgres => line.contains(&format!("Seq Scan on {table} ")),
    };
    LARGE
        .into_iter()
        .filter(|table| plan.iter().any(|line| reads_all(line, table)))
        .collect()
}

on_both! {
    async fn every_statement_can_be_prepared_and_walks_an_index(engine: Engine) {
        let site = Site::new(engine).await;
        site.ok(&["migrate"]).await;
        let mut db = Db::open(&site).await;
        let mut wrong = Vec::new();
        let mut scanning = Vec::new();
        for Statement { name, sql, on } in statements() {
            if on.is_some_and(|on| on != engine) {
                continue;
            }
            match db.plan(&sql).await {
                Ok(plan) => {
                    let tables = scanned(engine, &plan);
                    if !tables.is_empty() && !MAY_SCAN.iter().any(|(known, _)| *known == name) {
                        scanning.push(format!("{name} reads all of {tables:?}: {plan:#?}"));
                    }
                }
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(scanning.is_empty(), "{}", scanning.join("\n"));
        db.close().await;
    }
}

/// Where nothing was handled for years, nearly every batch is fresh.
#[tokio::test]
async fn what_came_in_a_window_is_looked_for_in_its_days_on_sqlite() {
    let site = Site::new(Engine::Sqlite).await;
    site.ok(&["migrate"]).await;
    let mut db = Db::open(&site).await;
    let all = statements();
    let of_window = all
        .iter()
        .find(|one| one.name == "queries::FRESH_SINCE")
        .unwrap();
    let plan = db.plan(&of_window.sql).await.unwrap();
    let by_day = |line: &String| line.contains("batches") && line.contains("day>?");
    assert!(plan.iter().any(by_day), "{plan:#?}");
    db.close().await;
}
