//! What was reported of a drift in all is what its days add up to, whatever was added up beforehand, and whatever goes.

use std::collections::BTreeMap;

use drift_api::store::{Retention, Store};
use drift_schema::answer::Batch;
use drift_schema::event::Erasure;
use drift_schema::run::Seen;
use drift_schema::{Day, Micros, Service, Step};
use harness::server::Site;
use harness::{Db, on_both, report};
use serde_json::{Value, json};

use crate::in_process::{DAY, SECOND, at, incoming, store, workspace};

/// Of each value the count of all days, beside what its days add up to; only where these are not the same.
const FACTS_APART: &str = "
    SELECT COUNT(*) FROM (
        SELECT workspace, service, step, fact, value,
            SUM(CASE WHEN day = '' THEN count ELSE 0 END) AS of_all, SUM(CASE WHEN day > '' THEN count ELSE 0 END) AS of_days
        FROM facts GROUP BY workspace, service, step, fact, value) AS counted
    WHERE of_all <> of_days OR of_all <= 0";
const TOTALS_OF_NOTHING: &str = "
    SELECT COUNT(*) FROM batch_totals WHERE NOT EXISTS (SELECT 1 FROM batches
        WHERE batches.workspace = batch_totals.workspace AND batches.service = batch_totals.service AND batches.step = batch_totals.step)";

/// What the batches of a step, newest first, say without anything that was added up before.
fn sum(batches: &[&Batch]) -> Seen {
    Seen {
        reports: batches.iter().map(|batch| batch.count).sum(),
        fresh: batches
            .iter()
            .filter(|batch| batch.fresh)
            .map(|batch| batch.count)
            .sum(),
        first: batches.iter().map(|batch| batch.first_seen).min(),
        last: batches.iter().map(|batch| batch.last_seen).max(),
        screenshot_ref: batches
            .iter()
            .find_map(|batch| batch.screenshot_ref.clone()),
        ..Seen::default()
    }
}

/// What is not as it should be.
pub async fn what_does_not_add_up(store: &Store, db: &mut Db) -> Vec<String> {
    let mut wrong = Vec::new();
    while !store.count_all_facts(10_000).await.unwrap() {}
    let batches = store
        .batches(&workspace(), None, None, 1_000)
        .await
        .unwrap()
        .batches;
    let mut steps: BTreeMap<(&Service, &Step), Vec<&Batch>> = BTreeMap::new();
    for batch in &batches {
        steps
            .entry((&batch.service, &batch.step))
            .or_default()
            .push(batch);
    }
    for ((service, step), batches) in steps {
        let looked = store
            .drift_details(&workspace(), service, &step.hash(), Micros::now())
            .await
            .unwrap()
            .unwrap();
        let seen = Seen {
            kinds: Vec::new(),
            versions: Vec::new(),
            hosts: Vec::new(),
            digests: Vec::new(),
            ..looked.seen
        };
        if seen != sum(&batches) {
            wrong.push(format!(
                "{service} {step}: {seen:?} instead of {:?}",
                sum(&batches)
            ));
        }
    }
    for (what, sql) in [
        ("facts", FACTS_APART),
        ("totals of nothing", TOTALS_OF_NOTHING),
    ] {
        let rows = db.number(sql).await;
        if rows > 0 {
            wrong.push(format!("{what}: {rows}"));
        }
    }
    wrong
}

async fn assert_adds_up(store: &Store, site: &Site) {
    let wrong = what_does_not_add_up(store, &mut Db::open(site).await).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Noon of the last of the days.
fn today() -> Micros {
    at("2026-03-29T12:00:00Z")
}

fn days_ago(days: i64) -> Micros {
    Micros(today().0 - days * DAY)
}

fn with_picture(step: &str, picture: i64) -> Value {
    let mut one = report("openai", step);
    one["screenshot_ref"] = json!(format!("{picture:064x}"));
    one
}

/// Twelve days with reports of three steps of two services, one with a picture on every third day, one with none after the first.
async fn twelve_days(site: &Site) -> Store {
    let store = store(site).await;
    for day in (0..12).rev() {
        let mut reports = vec![report("openai", "login"), report("stripe", "login")];
        for n in 0..=day % 4 {
            reports.push(if day % 3 == 0 && n == 1 {
                with_picture("signup-form", day)
            } else {
                report("openai", "signup-form")
            });
        }
        if day == 11 {
            reports.push(with_picture("login", day));
        }
        for (n, one) in reports.iter().enumerate() {
            let key = if n % 2 == 0 { "even" } else { "odd" };
            store
                .record_reports(
                    &workspace(),
                    &[incoming(one, key)],
                    Micros(days_ago(day).0 + n as i64 * SECOND),
                )
                .await
                .unwrap();
        }
    }
    while !store.count_all_facts(10_000).await.unwrap() {}
    store
}

async fn closed_before(site: &Site) -> Option<String> {
    let mut days = Db::open(site)
        .await
        .texts("SELECT day FROM batch_total_cursors")
        .await;
    days.pop()
}

async fn close_all_days(store: &Store) {
    assert!(store.close_days(1_000_000, today()).await.unwrap());
}

on_both! {
    async fn a_drift_adds_up_wherever_its_days_are_closed(engine: Engine) {
        let site = Site::new(engine).await;
        let store = twelve_days(&site).await;
        assert_adds_up(&store, &site).await;
        for day in (0..12).rev() {
            store.close_days(1_000_000, days_ago(day)).await.unwrap();
            assert_adds_up(&store, &site).await;
        }
        assert_eq!(closed_before(&site).await.as_deref(), Some("2026-03-28"), "today and yesterday may still be counted");
        // Nothing is closed twice, and not by a clock that runs behind either.
        close_all_days(&store).await;
        store.close_days(1_000_000, days_ago(5)).await.unwrap();
        assert_adds_up(&store, &site).await;

        // These are the numbers that are looked at; and they can be thrown away like all others.
        let mut db = Db::open(&site).await;
        db.must("UPDATE batch_totals SET count = count + 1000").await;
        assert_eq!(what_does_not_add_up(&store, &mut db).await.len(), 3);
        db.close().await;
        site.ok(&["rebuild"]).await;
        assert_eq!(closed_before(&site).await, None);
        assert_adds_up(&store, &site).await;
        close_all_days(&store).await;
        assert_adds_up(&store, &site).await;
        site.assert_clean().await;
    }

    async fn days_are_closed_a_few_at_a_time_and_only_once_their_facts_are_counted(engine: Engine) {
        let site = Site::new(engine).await;
        let store = store(&site).await;
        for (day, steps) in [(3, 2_600), (2, 2_600), (1, 1), (0, 1)] {
            let reports: Vec<_> = (0..steps).map(|n| incoming(&report("openai", &format!("step-{n}")), "k")).collect();
            store.record_reports(&workspace(), &reports, days_ago(day)).await.unwrap();
        }
        assert!(store.close_days(1, today()).await.unwrap());
        assert_eq!(closed_before(&site).await, None, "facts that are counted later would open it again");
        while !store.count_all_facts(20_000).await.unwrap() {}
        let mut days = Vec::new();
        loop {
            let all = store.close_days(1, today()).await.unwrap();
            days.extend(closed_before(&site).await);
            if all { break }
        }
        assert_eq!(days, ["2026-03-27", "2026-03-28"]);
        let mut db = Db::open(&site).await;
        assert_eq!(db.number("SELECT MIN(count) * 10 + MAX(count) FROM batch_totals").await, 22);
        db.close().await;
        site.assert_clean().await;
    }

    async fn a_report_that_is_counted_in_a_closed_day_is_not_lost(engine: Engine) {
        let site = Site::new(engine).await;
        let store = twelve_days(&site).await;
        close_all_days(&store).await;
        let late = [incoming(&with_picture("signup-form", 77), "k"), incoming(&report("openai", "login"), "k")];
        store.record_reports(&workspace(), &late, days_ago(1)).await.unwrap();
        assert_adds_up(&store, &site).await;
        assert!(closed_before(&site).await.is_some(), "yesterday was open");

        let late = [incoming(&with_picture("signup-form", 78), "late"), incoming(&report("openai", "login"), "late")];
        store.record_reports(&workspace(), &late, days_ago(7)).await.unwrap();
        assert_adds_up(&store, &site).await;
        assert_eq!(closed_before(&site).await, None, "all is added up anew");
        close_all_days(&store).await;
        assert_adds_up(&store, &site).await;

        // What goes before anybody has come across it is not forgotten either: its counters stay.
        let late = [incoming(&report("openai", "login"), "later")];
        store.record_reports(&workspace(), &late, days_ago(7)).await.unwrap();
        store.erase(&workspace(), &Erasure::Key { key: "later".to_owned() }, today()).await.unwrap();
        assert_adds_up(&store, &site).await;
        site.assert_clean().await;
    }

    async fn what_is_forgotten_is_taken_from_the_sums(engine: Engine) {
        let site = Site::new(engine).await;
        let store = twelve_days(&site).await;
        close_all_days(&store).await;
        let retain = async |rules| store.retain(&rules, today()).await.unwrap();
        // Pictures go with the payloads they came with; the newest that is left, if there is one, takes their place.
        for days in [11, 10, 9, 5] {
            retain(Retention { report_days: Some(days), ..Retention::default() }).await;
            assert_adds_up(&store, &site).await;
        }
        store.erase(&workspace(), &Erasure::Key { key: "odd".to_owned() }, today()).await.unwrap();
        assert_adds_up(&store, &site).await;
        for days in [11, 8, 4, 1] {
            retain(Retention { batch_days: Some(days), ..Retention::default() }).await;
            assert_adds_up(&store, &site).await;
            assert!(closed_before(&site).await.is_some(), "nothing needs to be added up anew");
        }
        store.erase(&workspace(), &Erasure::Service { service: Service::parse("openai").unwrap() }, today()).await.unwrap();
        assert_adds_up(&store, &site).await;
        let mut db = Db::open(&site).await;
        assert_eq!(db.number("SELECT COUNT(*) FROM facts WHERE service = 'openai'").await, 0);
        db.close().await;
        site.assert_clean().await;
    }

    async fn what_went_with_its_day_is_not_taken_from_the_facts_again(engine: Engine) {
        let site = Site::new(engine).await;
        let store = twelve_days(&site).await;
        let rules = Retention { batch_days: Some(6), ..Retention::default() };
        store.retain(&rules, today()).await.unwrap();
        let kinds = async || {
            let login = Step::parse("login").unwrap().hash();
            let looked = store.drift_details(&workspace(), &Service::parse("stripe").unwrap(), &login, today()).await;
            looked.unwrap().unwrap().seen.kinds.into_iter().map(|kind| kind.count).collect::<Vec<_>>()
        };
        assert_eq!(kinds().await, [7]);
        let before = Micros(Day(days_ago(6).day().0).start().0);
        assert!(store.erase(&workspace(), &Erasure::Age { before }, today()).await.unwrap().reports > 10);
        assert_eq!(kinds().await, [7]);
        assert_adds_up(&store, &site).await;
        site.assert_clean().await;
    }
}
