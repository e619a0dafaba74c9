//! The tables are the same on both databases, and a database of any older version becomes one of today.
//!
//! `migrations/NNNN.{sqlite,postgres}.sql` fill a database that has the migrations up to NNNN with a small log. Whoever adds
//! a migration adds seeds only if the older ones cannot show what it does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use harness::server::Site;
use harness::{Db, Engine, on_both};

fn folder(engine: Engine) -> PathBuf {
    let name = match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../schema/migrations")
        .join(name)
}

fn files(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    names.collect()
}

async fn columns(site: &Site) -> Vec<String> {
    let mut db = Db::open(site).await;
    if db.is_sqlite() {
        db.texts(
            "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
            WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\' ORDER BY t.name, c.cid",
        )
        .await
    } else {
        db.texts(
            "SELECT table_name || '.' || column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' ORDER BY table_name COLLATE \"C\", ordinal_position",
        )
        .await
    }
}

#[test]
fn each_migration_has_a_twin() {
    let names = files(&folder(Engine::Sqlite));
    assert_eq!(names, files(&folder(Engine::Postgres)));
    for (number, name) in (1..).zip(&names) {
        assert!(
            name.starts_with(&format!("{number:04}_")) && name.ends_with(".sql"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn both_databases_have_the_same_tables_with_the_same_columns_in_the_same_order() {
    let (sqlite, postgres) = (
        Site::new(Engine::Sqlite).await,
        Site::new(Engine::Postgres).await,
    );
    sqlite.ok(&["migrate"]).await;
    postgres.ok(&["migrate"]).await;
    let columns_of = columns(&sqlite).await;
    assert_eq!(columns_of, columns(&postgres).await);
    assert!(
        columns_of.contains(&"events.payload_hash".to_owned()),
        "{columns_of:?}"
    );
}

on_both! {
    async fn migrating_again_or_from_many_processes_at_once_changes_nothing(engine: Engine) {
        let site = Site::new(engine).await;
        let at_once = (0..4).map(|_| site.ok(&["migrate"]));
        futures_util::future::join_all(at_once).await;
        let before = columns(&site).await;
        site.ok(&["migrate"]).await;
        assert_eq!(columns(&site).await, before);
        site.assert_clean().await;
    }

    async fn a_database_of_any_older_version_becomes_one_of_today(engine: Engine) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/migrations");
        let ending = match engine {
            Engine::Sqlite => ".sqlite.sql",
            Engine::Postgres => ".postgres.sql",
        };
        let expected = std::fs::read_to_string(seeds.join("0001.ndjson")).unwrap();
        for migration in files(&folder(engine)) {
            let version: i64 = migration[..4].parse().unwrap();
            let site = Site::new(engine).await;
            migrate_up_to(&site, engine, version).await;
            let newest = files(&seeds).into_iter().rfind(|name| name.ends_with(ending) && name[..4] <= migration[..4]).unwrap();
            let mut db = Db::open(&site).await;
            db.must(&std::fs::read_to_string(seeds.join(newest)).unwrap()).await;
            db.close().await;

            site.ok(&["migrate"]).await;
            site.assert_clean().await;
            assert_eq!(site.ok(&["export"]).await, expected, "from version {version}");
        }
    }

    async fn facts_of_an_older_version_are_added_up(engine: Engine) {
        let site = Site::new(engine).await;
        migrate_up_to(&site, engine, 4).await;
        let mut db = Db::open(&site).await;
        db.must("INSERT INTO facts (workspace, service, step, day, fact, value, count) VALUES
            ('default', 'openai', 'login', '2026-03-28', 'version', '1.4.2', 3), ('default', 'openai', 'login', '2026-03-29', 'version', '1.4.2', 4),
            ('default', 'openai', 'login', '2026-03-29', 'version', '1.4.3', 5), ('default', 'openai', 'otp', '2026-03-29', 'version', '1.4.2', 6),
            ('other', 'openai', 'login', '2026-03-29', 'version', '1.4.2', 7)").await;
        site.ok(&["migrate"]).await;
        let of_all = db.texts("SELECT workspace || ' ' || step || ' ' || value || ' ' || CAST(count AS TEXT) FROM facts WHERE day = '' ORDER BY 1").await;
        assert_eq!(of_all, ["default login 1.4.2 7", "default login 1.4.3 5", "default otp 1.4.2 6", "other login 1.4.2 7"]);
        assert_eq!(db.number("SELECT COUNT(*) FROM facts").await, 9);
        db.close().await;
    }

    async fn an_export_of_the_first_version_can_be_imported(engine: Engine) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/migrations/0001.ndjson");
        let site = Site::new(engine).await;
        site.ok(&["import", file.to_str().unwrap()]).await;
        site.assert_clean().await;
        assert_eq!(site.ok(&["export"]).await, std::fs::read_to_string(file).unwrap());
    }
}

/// As the program of that version would have done.
async fn migrate_up_to(site: &Site, engine: Engine, version: i64) {
    let older = tempfile::tempdir().unwrap();
    for name in files(&folder(engine)) {
        if name[..4].parse::<i64>().unwrap() <= version {
            std::fs::copy(folder(engine).join(&name), older.path().join(&name)).unwrap();
        }
    }
    let migrator = sqlx::migrate::Migrator::new(older.path()).await.unwrap();
    match engine {
        Engine::Sqlite => {
            let path = site.database_url.strip_prefix("sqlite://").unwrap();
            std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
            let pool = sqlx::SqlitePool::connect(&format!("{}?mode=rwc", site.database_url))
                .await
                .unwrap();
            migrator.run(&pool).await.unwrap();
            pool.close().await;
        }
        Engine::Postgres => {
            let pool = sqlx::PgPool::connect(&site.database_url).await.unwrap();
            migrator.run(&pool).await.unwrap();
            pool.close().await;
        }
    }
}
