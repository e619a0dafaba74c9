//! A session with a service's own scraper: started afresh, once or until the verdict is clear, by the one implementation of the
//! scraper protocol.

mod cleanup;

use std::time::Instant;

use drift_client::config::Environment;
use drift_client::scraper::{Outcome, Supervisor};
use drift_client::scrapers::Entry;
use drift_schema::run::StepTaken;
use drift_schema::scraper::{Line, Resource, Tripped};
use drift_schema::words::FailureCode;
use drift_schema::{ScraperVersion, Step};

use crate::verdict::{Ending, Try, is_open};
pub use cleanup::clean_up;

/// The code of a flow that was to end before the key, and did.
const WENT_WELL: &str = "done";

/// What a session has found, for the verdicts and for people.
#[derive(Debug, Default)]
pub struct Replayed {
    pub tries: Vec<Try>,
    /// Steps that were passed, with the tree of the page on which each ended well; the latest of each.
    pub passed: Vec<(Step, Option<String>)>,
    /// The latest tripwire of each step.
    pub tripped: Vec<Tripped>,
    pub resources: Vec<Resource>,
    pub steps: Vec<StepTaken>,
    /// The end of the log of the last try. Masked.
    pub log_tail: String,
    /// Why the last try broke, in words.
    pub broke: Option<String>,
}

impl Replayed {
    pub fn tripwire(&self, step: &Step) -> Option<&Tripped> {
        self.tripped.iter().find(|tripped| tripped.step == *step)
    }
}

/// Who runs scrapers.
#[derive(Debug, Clone)]
pub struct Stage {
    pub environment: Environment,
    pub supervisor: Supervisor,
}

impl Stage {
    /// Replays until the steps that were asked about are decided. `left` hears of resources while the scraper runs.
    pub async fn replay(
        &self,
        entry: &Entry,
        wanted: &[&Step],
        mut left: impl FnMut(&Resource),
    ) -> Replayed {
        let mut replayed = Replayed::default();
        loop {
            let this = self.once(entry, &mut replayed, &mut left).await;
            replayed.tries.push(this);
            if !is_open(wanted, &replayed.tries, entry.attempts) {
                return replayed;
            }
        }
    }

    async fn once(
        &self,
        entry: &Entry,
        replayed: &mut Replayed,
        left: &mut impl FnMut(&Resource),
    ) -> Try {
        let scraper = match entry.scraper(&self.environment, &self.supervisor) {
            Ok(scraper) => scraper,
            Err(why) => {
                replayed.broke = Some(why);
                return Try {
                    passed: Vec::new(),
                    ending: Ending::Broke(code("grant_unreadable")),
                };
            }
        };
        let mut watch = Watch::default();
        let run = scraper
            .run(|line| match line {
                Line::Progress(progress) => {
                    watch.begins(progress.step.clone(), progress.tree.clone());
                }
                Line::Resource(resource) => left(resource),
                _ => {}
            })
            .await;
        replayed.log_tail = run.stderr;
        replayed.resources.extend(run.resources);
        let ending = match run.outcome {
            Outcome::Success(_) => {
                watch.passes(None);
                Ending::Succeeded
            }
            Outcome::Tripwire(tripped) => {
                watch.ends();
                let ending = Ending::Tripped {
                    step: tripped.step.clone(),
                    kind: tripped.kind,
                };
                replayed.tripped.retain(|known| known.step != tripped.step);
                replayed.tripped.push(tripped);
                ending
            }
            // A flow that ends before there is a key, as its owner wants it: every step went well.
            Outcome::Error(failure) if failure.code.as_str() == WENT_WELL => {
                watch.passes(None);
                Ending::Succeeded
            }
            Outcome::Error(failure) => {
                watch.ends();
                Ending::Failed(failure.code)
            }
            Outcome::Broken(broken) => {
                watch.ends();
                replayed.broke = Some(broken.to_string());
                Ending::Broke(code(&broken.code().to_lowercase()))
            }
        };
        let passed = watch.passed.iter().map(|(step, _)| step.clone()).collect();
        for (step, tree) in watch.passed {
            replayed.passed.retain(|(known, _)| *known != step);
            replayed.passed.push((step, tree));
        }
        replayed.steps = watch.taken;
        Try { passed, ending }
    }
}

/// Of our own making, and well formed.
fn code(text: &str) -> FailureCode {
    FailureCode::parse(text)
        .or_else(|_| FailureCode::parse("infra"))
        .unwrap_or_else(|_| unreachable!("a lawful code"))
}

/// The version that a run was made with: what the scraper says counts, then `scrapers.toml`.
pub fn version(entry: &Entry, tripped: Option<&Tripped>) -> Option<ScraperVersion> {
    tripped
        .and_then(|tripped| tripped.scraper_version.clone())
        .or_else(|| entry.version.clone())
}

/// Steps as they come and go.
#[derive(Default)]
struct Watch {
    current: Option<(Step, Instant)>,
    /// Of the current step's page, where the scraper has told it by naming the step again.
    tree: Option<String>,
    passed: Vec<(Step, Option<String>)>,
    taken: Vec<StepTaken>,
}

impl Watch {
    /// A step begins, so the one before ended well, on this page; or the current one tells its own page.
    fn begins(&mut self, step: Step, tree: Option<String>) {
        if self
            .current
            .as_ref()
            .is_some_and(|(current, _)| *current == step)
        {
            // A line that is merely said twice has the tree of the step before.
            let before = self.passed.last().and_then(|(_, tree)| tree.as_ref());
            if tree.is_some() && tree.as_ref() != before {
                self.tree = tree;
            }
            return;
        }
        self.passes(tree);
        self.current = Some((step, Instant::now()));
    }

    fn passes(&mut self, tree: Option<String>) {
        let own = self.tree.take();
        if let Some(step) = self.ends() {
            self.passed.push((step, own.or(tree)));
        }
    }

    fn ends(&mut self) -> Option<Step> {
        let (step, since) = self.current.take()?;
        let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.taken.push(StepTaken {
            step: step.clone(),
            millis,
        });
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Step {
        Step::parse(name).unwrap()
    }

    fn tree(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_next_line_brings_the_tree_of_a_step_and_the_last_step_brings_its_own() {
        let mut watch = Watch::default();
        watch.begins(step("open"), None);
        watch.begins(step("sign-up"), tree("landing"));
        watch.begins(step("sign-up"), tree("landing"));
        watch.begins(step("sign-up"), tree("form"));
        watch.passes(None);
        assert_eq!(
            watch.passed,
            [
                (step("open"), tree("landing")),
                (step("sign-up"), tree("form"))
            ]
        );
    }

    #[test]
    fn a_line_that_is_said_twice_brings_no_tree_to_the_wrong_step() {
        let mut watch = Watch::default();
        watch.begins(step("open"), None);
        watch.begins(step("sign-up"), tree("landing"));
        watch.begins(step("sign-up"), tree("landing"));
        watch.passes(None);
        assert_eq!(watch.passed.last(), Some(&(step("sign-up"), None)));
    }
}
