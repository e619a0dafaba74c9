//! Midnight, and clocks that are set back.

use drift_api::store::{Outcome, Store};
use drift_schema::{Day, Micros};
use harness::server::Site;
use harness::{on_both, report};

use crate::in_process::{DAY, SECOND, at, incoming, numbered, store, workspace};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

async fn batches(store: &Store) -> Vec<(String, i64, String, String)> {
    let found = store.batches(&workspace(), None, None, 1000).await.unwrap();
    let batches = found.batches.into_iter();
    batches
        .map(|batch| {
            (
                batch.day.to_string(),
                batch.count,
                batch.first_seen.to_string(),
                batch.last_seen.to_string(),
            )
        })
        .collect()
}

on_both! {
    async fn midnight_in_utc_begins_a_batch_and_no_second_drift(engine: Engine) {
        let site = Site::new(engine).await;
        let store = store(&site).await;
        let last = at("2026-03-28T23:59:59.999999Z");
        let first = Micros(last.0 + 1);
        let one = numbered(1, "openai", "signup-form");
        for (now, id) in [(Micros(last.0 - 1), 2), (last, 1), (first, 3)] {
            let reports = [incoming(&numbered(id, "openai", "signup-form"), "k")];
            let stored = store.record_reports(&workspace(), &reports, now).await.unwrap();
            assert_eq!(stored.outcomes, [Outcome::Accepted { day: now.day(), count: if id == 1 { 2 } else { 1 } }]);
        }
        // Retried on the other side of midnight it is counted where it was.
        let retried = store.record_reports(&workspace(), &[incoming(&one, "k")], Micros(first.0 + SECOND)).await.unwrap();
        assert_eq!(retried.outcomes, [Outcome::Duplicate { day: day("2026-03-28"), count: 2 }]);
        let expected = [
            ("2026-03-29".to_owned(), 1, "2026-03-29T00:00:00.000000Z".to_owned(), "2026-03-29T00:00:00.000000Z".to_owned()),
            ("2026-03-28".to_owned(), 2, "2026-03-28T23:59:59.999998Z".to_owned(), "2026-03-28T23:59:59.999999Z".to_owned()),
        ];
        assert_eq!(batches(&store).await, expected);
        let fresh = store.fresh(&workspace(), None, first).await.unwrap();
        assert_eq!((fresh.services.len(), fresh.services[0].reports, fresh.services[0].batches.len()), (1, 3, 2));
        let window = store.fresh(&workspace(), Some(first), first).await.unwrap();
        assert_eq!((window.services[0].reports, window.services[0].batches.len()), (1, 1));
        let known = store.known(&workspace(), window.services[0].service.clone(), window.services[0].batches[0].step.clone()).await.unwrap();
        assert_eq!(known.first_seen, Some(Micros(last.0 - 1)));
        site.assert_clean().await;
    }

    async fn a_clock_that_is_set_back_neither_loses_nor_reorders(engine: Engine) {
        let site = Site::new(engine).await;
        let store = store(&site).await;
        let noon = at("2026-03-29T12:00:00Z");
        let times = [noon, Micros(noon.0 - DAY), Micros(noon.0 - 3_600 * SECOND), noon, Micros(noon.0 - 2 * 3_600 * SECOND)];
        for now in times {
            store.record_reports(&workspace(), &[incoming(&report("openai", "login"), "k")], now).await.unwrap();
        }
        let expected = [
            ("2026-03-29".to_owned(), 4, "2026-03-29T10:00:00.000000Z".to_owned(), "2026-03-29T12:00:00.000000Z".to_owned()),
            ("2026-03-28".to_owned(), 1, "2026-03-28T12:00:00.000000Z".to_owned(), "2026-03-28T12:00:00.000000Z".to_owned()),
        ];
        assert_eq!(batches(&store).await, expected);
        let log = store.events(&workspace(), 0, 100).await.unwrap();
        let logged: Vec<_> = log.events.iter().map(|event| (event.position, event.recorded_at)).collect();
        assert_eq!(logged, (1..).zip(times).collect::<Vec<_>>());
        site.assert_clean().await;
    }

    async fn times_at_the_edges_of_the_calendar_are_kept(engine: Engine) {
        let site = Site::new(engine).await;
        let store = store(&site).await;
        for now in ["1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2024-02-29T23:59:59Z", "9999-12-31T23:59:59.999999Z"] {
            let stored = store.record_reports(&workspace(), &[incoming(&report("openai", "login"), "k")], at(now)).await.unwrap();
            let [Outcome::Accepted { day, count: 1 }] = stored.outcomes[..] else { panic!("{now}: {stored:?}") };
            assert_eq!(day.to_string()[..4], now[..4]);
        }
        assert_eq!(batches(&store).await.len(), 4);
        site.assert_clean().await;
    }
}
