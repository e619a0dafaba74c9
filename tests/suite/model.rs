//! Random lives of a store, beside a model that is too simple to be wrong.

use std::collections::BTreeMap;

use drift_api::store::{NewKey, Outcome, Retention, Store};
use drift_schema::event::Erasure;
use drift_schema::{Day, Digest, Micros, Scope, Service};
use harness::server::Site;
use harness::{Db, Engine};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use crate::in_process::{DAY, SECOND, at, incoming, numbered, store, workspace};
use crate::totals::what_does_not_add_up;

const SERVICES: [&str; 3] = ["openai", "stripe", "x"];
const STEPS: [&str; 2] = ["login", "signup-form"];
const KEYS: [&str; 2] = ["key-a", "key-b"];

/// What a report says, besides its id.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Content {
    service: usize,
    step: usize,
    version: u8,
}

#[derive(Debug, Clone)]
enum Step {
    /// Reports by id, sent together with one of the keys.
    Report(Vec<(u128, Content)>, usize),
    EraseKey(usize),
    EraseService(usize),
    /// Those received before so many hours ago.
    EraseAge(i64),
    EraseCount(u64),
    ExpireDays(u32),
    ExpireCount(u64),
    CreateKey(u8),
    RevokeKey(u8),
    RotateKey(u8, u8),
    /// Hours; negative when somebody sets the clock back.
    Wait(i64),
    /// What the server does in the background.
    CountFacts,
    CloseDays,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let content =
        (0..SERVICES.len(), 0..STEPS.len(), 0..2_u8).prop_map(|(service, step, version)| Content {
            service,
            step,
            version,
        });
    // An id usually has the content that it always has.
    let report =
        (0..40_u128, content, prop::bool::weighted(0.1)).prop_map(|(id, content, other)| {
            let usual = Content {
                service: id as usize % 3,
                step: id as usize % 2,
                version: 0,
            };
            (id, if other { content } else { usual })
        });
    let step = prop_oneof![
        8 => (vec(report, 1..12), 0..KEYS.len()).prop_map(|(reports, key)| Step::Report(reports, key)),
        3 => (-30..60_i64).prop_map(Step::Wait),
        2 => Just(Step::CountFacts),
        3 => Just(Step::CloseDays),
        1 => (0..KEYS.len()).prop_map(Step::EraseKey),
        1 => (0..SERVICES.len()).prop_map(Step::EraseService),
        1 => (0..72_i64).prop_map(Step::EraseAge),
        1 => (0..20_u64).prop_map(Step::EraseCount),
        1 => (0..4_u32).prop_map(Step::ExpireDays),
        1 => (0..6_u64).prop_map(Step::ExpireCount),
        2 => (0..3_u8).prop_map(Step::CreateKey),
        2 => (0..3_u8).prop_map(Step::RevokeKey),
        2 => (0..3_u8, 0..3_u8).prop_map(|(old, new)| Step::RotateKey(old, new)),
    ];
    vec(step, 1..40)
}

struct Kept {
    content: Content,
    key: usize,
    at: Micros,
    erased: bool,
}

#[derive(Default)]
struct Model {
    /// In the order of the log.
    reports: Vec<(u128, Kept)>,
    counts: BTreeMap<(Day, usize, usize), i64>,
    /// Revoked at.
    keys: BTreeMap<u8, Option<Micros>>,
}

impl Model {
    fn report(&mut self, id: u128, content: Content, key: usize, now: Micros) -> &'static str {
        match self.reports.iter().find(|(known, _)| *known == id) {
            Some((_, kept)) if kept.erased || kept.content == content => "duplicate",
            Some(_) => "conflict",
            None => {
                self.reports.push((
                    id,
                    Kept {
                        content,
                        key,
                        at: now,
                        erased: false,
                    },
                ));
                *self
                    .counts
                    .entry((now.day(), content.service, content.step))
                    .or_default() += 1;
                "accepted"
            }
        }
    }

    fn erase(&mut self, which: impl Fn(&Kept) -> bool) -> u64 {
        let kept = self.reports.iter_mut().map(|(_, kept)| kept);
        kept.filter(|kept| !kept.erased && which(kept))
            .map(|kept| kept.erased = true)
            .count() as u64
    }

    fn erase_all_but(&mut self, keep: usize) -> u64 {
        let there = self
            .reports
            .iter_mut()
            .rev()
            .map(|(_, kept)| kept)
            .filter(|kept| !kept.erased);
        there.skip(keep).map(|kept| kept.erased = true).count() as u64
    }

    fn expire(&mut self, before: Day) -> u64 {
        let had = self.counts.len();
        self.counts.retain(|(day, _, _), _| *day >= before);
        (had - self.counts.len()) as u64
    }

    /// The day from which on no more than `keep` batches are left.
    fn first_day_to_keep(&self, keep: usize, today: Day) -> Option<Day> {
        let (too_many, _, _) = self.counts.keys().rev().nth(keep)?;
        Some(Day(too_many.0.succ_opt()?).min(today))
    }
}

/// Lives one life, and answers the model of it. What comes with the second key goes through another process.
async fn live(store: &Store, other: &Store, steps: &[Step]) -> Result<Model, TestCaseError> {
    let mut model = Model::default();
    let mut now = at("2026-03-28T22:00:00Z");
    let key_id = |n: &u8| format!("k{n}");
    let hash = || Digest::parse(&"0f".repeat(32)).unwrap();
    for step in steps {
        now = Micros(now.0 + SECOND);
        match step {
            Step::Wait(hours) => now = Micros(now.0 + hours * 3_600 * SECOND),
            Step::CountFacts => assert!(store.count_all_facts(10_000).await.unwrap()),
            Step::CloseDays => assert!(store.close_days(10_000, now).await.unwrap()),
            Step::Report(reports, key) => {
                let sent: Vec<_> = reports
                    .iter()
                    .map(|(id, content)| {
                        let mut report =
                            numbered(*id, SERVICES[content.service], STEPS[content.step]);
                        report["scraper_version"] = json!(format!("1.0.{}", content.version));
                        if id % 3 == 0 {
                            report["screenshot_ref"] = json!(format!("{id:064x}"));
                        }
                        incoming(&report, KEYS[*key])
                    })
                    .collect();
                let stored = [store, other][*key]
                    .record_reports(&workspace(), &sent, now)
                    .await
                    .unwrap();
                for ((id, content), outcome) in reports.iter().zip(stored.outcomes) {
                    let expected = model.report(*id, *content, *key, now);
                    let got = match outcome {
                        Outcome::Accepted { day, count } => {
                            prop_assert_eq!(
                                (day, count),
                                (
                                    now.day(),
                                    model.counts[&(now.day(), content.service, content.step)]
                                )
                            );
                            "accepted"
                        }
                        Outcome::Duplicate { .. } => "duplicate",
                        Outcome::Conflict => "conflict",
                    };
                    prop_assert_eq!(got, expected, "report {}", id);
                }
            }
            Step::EraseKey(key) => {
                let what = Erasure::Key {
                    key: KEYS[*key].to_owned(),
                };
                let erased = store.erase(&workspace(), &what, now).await.unwrap();
                prop_assert_eq!(erased.reports, model.erase(|kept| kept.key == *key));
            }
            Step::EraseService(service) => {
                let what = Erasure::Service {
                    service: Service::parse(SERVICES[*service]).unwrap(),
                };
                let erased = store.erase(&workspace(), &what, now).await.unwrap();
                prop_assert_eq!(
                    erased.reports,
                    model.erase(|kept| kept.content.service == *service)
                );
                model.counts.retain(|(_, of, _), _| of != service);
            }
            Step::EraseAge(hours) => {
                let before = Micros(now.0 - hours * 3_600 * SECOND);
                let erased = store
                    .erase(&workspace(), &Erasure::Age { before }, now)
                    .await
                    .unwrap();
                prop_assert_eq!(erased.reports, model.erase(|kept| kept.at < before));
            }
            Step::EraseCount(keep) => {
                let erased = store
                    .erase(&workspace(), &Erasure::Count { keep: *keep }, now)
                    .await
                    .unwrap();
                prop_assert_eq!(erased.reports, model.erase_all_but(*keep as usize));
            }
            Step::ExpireDays(days) => {
                let rules = Retention {
                    batch_days: Some(*days),
                    ..Retention::default()
                };
                let done = store.retain(&rules, now).await.unwrap();
                let expired = model.expire(Micros(now.0 - i64::from(*days) * DAY).day());
                prop_assert_eq!(
                    done.first().map_or(0, |(_, erased)| erased.batches),
                    expired
                );
            }
            Step::ExpireCount(keep) => {
                let rules = Retention {
                    batch_count: Some(*keep),
                    ..Retention::default()
                };
                let done = store.retain(&rules, now).await.unwrap();
                let expired = model
                    .first_day_to_keep(*keep as usize, now.day())
                    .map_or(0, |day| model.expire(day));
                prop_assert_eq!(
                    done.first().map_or(0, |(_, erased)| erased.batches),
                    expired
                );
            }
            Step::CreateKey(n) => {
                let new = NewKey {
                    id: key_id(n),
                    name: "n".to_owned(),
                    scopes: vec![Scope::Ingest],
                    hash: hash(),
                    rate: None,
                    by: None,
                };
                let created = store.create_key(&workspace(), new, now).await;
                prop_assert_eq!(created.is_ok(), !model.keys.contains_key(n));
                model.keys.entry(*n).or_insert(None);
            }
            Step::RevokeKey(n) => {
                let revoked = store.revoke_key(&key_id(n), now, now).await;
                prop_assert_eq!(revoked.is_ok(), model.keys.contains_key(n));
                if let Some(at) = model.keys.get_mut(n) {
                    *at = Some(at.map_or(now, |at| at.min(now)));
                }
            }
            Step::RotateKey(old, new) => {
                let until = Micros(now.0 + DAY);
                let rotated = store
                    .rotate_key(&key_id(old), key_id(new), hash(), until, now)
                    .await;
                let works = model
                    .keys
                    .get(old)
                    .is_some_and(|at| at.is_none_or(|at| at > now))
                    && !model.keys.contains_key(new);
                prop_assert_eq!(rotated.is_ok(), works);
                if works {
                    model.keys.insert(*new, None);
                    let at = model.keys.get_mut(old).unwrap();
                    *at = Some(at.map_or(until, |at| at.min(until)));
                }
            }
        }
    }
    Ok(model)
}

async fn agree(store: &Store, model: &Model) -> Result<(), TestCaseError> {
    let counted = store
        .batches(&workspace(), None, None, 1000)
        .await
        .unwrap()
        .batches;
    let counts: BTreeMap<_, _> = counted
        .iter()
        .map(|batch| {
            let service = SERVICES
                .iter()
                .position(|one| *one == batch.service.as_str())
                .unwrap();
            let step = STEPS
                .iter()
                .position(|one| *one == batch.step.as_str())
                .unwrap();
            ((batch.day, service, step), batch.count)
        })
        .collect();
    prop_assert_eq!(&counts, &model.counts);
    let keys: BTreeMap<_, _> = store
        .keys()
        .await
        .unwrap()
        .into_iter()
        .map(|key| (key.id[1..].parse().unwrap(), key.revoked_at))
        .collect();
    prop_assert_eq!(&keys, &model.keys);
    let verified = store.verify().await.unwrap();
    prop_assert!(
        verified.iter().all(drift_api::store::Verified::is_clean),
        "{:?}",
        verified
    );
    let erased = model.reports.iter().filter(|(_, kept)| kept.erased).count() as u64;
    prop_assert_eq!(verified.iter().map(|one| one.erased).sum::<u64>(), erased);
    Ok(())
}

#[test]
fn whatever_happens_the_tables_are_the_models_and_follow_from_the_log() {
    let config = Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let done = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            let site = Site::new(Engine::Sqlite).await;
            let store = store(&site).await;
            let other = crate::in_process::store(&site).await;
            let model = live(&store, &other, &steps).await?;
            other.close().await;
            agree(&store, &model).await?;
            let mut db = Db::open(&site).await;
            prop_assert_eq!(
                what_does_not_add_up(&store, &mut db).await,
                Vec::<String>::new()
            );
            db.must("DELETE FROM batches; DELETE FROM keys").await;
            db.close().await;
            store.rebuild(Micros::now()).await.unwrap();
            agree(&store, &model).await?;
            store.close().await;
            Ok(())
        })
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}
