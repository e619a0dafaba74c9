//! Runs a flow: step by step, each with its deadline, until the last or until one ends badly. `act` does what a step says,
//! `wait` knows when a page is at rest, `judge` says what a failure means.

mod act;
mod extract;
mod judge;
mod wait;

use std::time::{Duration, Instant};

use drift_schema::report::TripwireKind;
use drift_schema::words::FailureCode;
use regex::Regex;
use tokio::time::timeout;

use crate::evidence::Masker;
use crate::flow::{Flow, Locator, Step, Template, Verb};
use crate::lines::Lines;
use crate::session::Session;
use crate::state::{Ledger, Made, Resource};
use crate::tab::Tab;
use crate::values::Values;
pub use judge::{code, shown_url};

/// How a step ends when it does not end well.
#[derive(Debug)]
pub enum Stop {
    /// The page has another shape than the flow expects.
    Tripwire { kind: TripwireKind, why: String },
    /// Something else, which has a name.
    Failed { code: FailureCode, why: String },
}

/// What a run looks like from inside.
pub struct Engine<'a> {
    pub flow: &'a Flow,
    pub tab: Tab,
    pub values: Values,
    pub lines: &'a mut dyn Lines,
    /// When everything has to be over.
    pub ends: Instant,
    /// Host of the last page that was as expected.
    host: Option<String>,
    /// The address that was asked for, until something is done on the page that it led to.
    asked: Option<String>,
    /// The masked tree of the page that the last good step worked on.
    pub last_tree: Option<String>,
    /// Before the last action of this step, if that may lead away: the address, and the tree.
    before_leaving: Option<(String, Option<String>)>,
    pub resources: Vec<Resource>,
    /// Where they are written down for the clean-up; a clean-up makes nothing.
    pub ledger: Option<Ledger>,
    /// Mails from before this are not the one we wait for. Unix time.
    pub mails_since: i64,
}

/// A failed step: which, and how.
pub struct Stopped {
    pub index: usize,
    pub stop: Stop,
    /// Where the page stood when the step began.
    pub url: String,
}

impl<'a> Engine<'a> {
    pub fn new(
        flow: &'a Flow,
        tab: Tab,
        values: Values,
        lines: &'a mut dyn Lines,
        mails_since: i64,
    ) -> Self {
        Self {
            ends: Instant::now() + flow.deadline,
            flow,
            tab,
            values,
            lines,
            host: None,
            asked: None,
            last_tree: None,
            before_leaving: None,
            resources: Vec::new(),
            ledger: None,
            mails_since,
        }
    }

    /// Does the steps from `first` up to and with `last`.
    pub async fn run(&mut self, first: usize, last: usize) -> Result<(), Box<Stopped>> {
        let flow = self.flow;
        for (index, step) in flow.steps.iter().enumerate().take(last + 1).skip(first) {
            let tree = self.last_tree.clone();
            self.lines.progress(&step.name, tree);
            tracing::info!(step = %step.name, "step");
            let url = self.address().await;
            if let Err(stop) = self.step(step).await {
                return Err(Box::new(Stopped { index, stop, url }));
            }
            self.last_tree = self.worked_on().await;
            let made = step.creates.iter().filter_map(|creates| {
                let id = self.values.render(&creates.id).ok()?;
                let kind = creates.kind.clone();
                Some(Resource { kind, id })
            });
            let made: Vec<Resource> = made.collect();
            self.resources.extend_from_slice(&made);
            // After each step, since logins change; and before it is said, since who hears of it may end us.
            self.remember().await;
            for resource in made {
                self.lines.resource(&resource.kind, &resource.id);
            }
        }
        // Of the last step no other line could bring the tree.
        if let (Some(step), Some(tree)) = (flow.steps.get(last), self.last_tree.clone()) {
            self.lines.progress(&step.name, Some(tree));
        }
        Ok(())
    }

    /// A clean-up leaves alone what a run goes on with.
    pub fn hold_ledger(&mut self) {
        if let Some(ledger) = self.ledger.as_mut().filter(|ledger| ledger.exists())
            && let Err(error) = ledger.take()
        {
            tracing::warn!(
                error = format!("{error:#}"),
                "a cleanup may disturb this run"
            );
        }
    }

    /// Writes down what there is to be removed one day, with the login and the values that it takes.
    pub async fn remember(&mut self) {
        const LOGIN_DEADLINE: Duration = Duration::from_secs(8);
        if self.resources.is_empty() || self.ledger.is_none() {
            return;
        }
        let session = timeout(LOGIN_DEADLINE, Session::take(&mut self.tab)).await;
        let made = Made {
            service: self.flow.service.clone(),
            resources: self.resources.clone(),
            values: self.values.all(),
            session: session.ok().and_then(Result::ok).unwrap_or_default(),
        };
        let Some(ledger) = &mut self.ledger else {
            return;
        };
        if let Err(error) = ledger.note(&made) {
            tracing::error!(
                error = format!("{error:#}"),
                "cleanup will not know what this run created"
            );
        }
    }

    /// The address of the page, as far as it still says one.
    pub async fn address(&mut self) -> String {
        let url = timeout(Duration::from_secs(2), self.tab.url()).await;
        match url {
            Ok(Ok(url)) => url,
            _ => self.tab.watch.state().document.url.clone(),
        }
    }

    /// The same, or where the page was to be, if nothing came from there.
    pub async fn destination(&mut self) -> String {
        let url = self.address().await;
        match &self.asked {
            Some(asked) if url.starts_with("about:") => asked.clone(),
            _ => url,
        }
    }

    pub async fn step(&mut self, step: &Step) -> Result<(), Stop> {
        let ends = self.ends.min(Instant::now() + step.deadline);
        self.tab.watch.mark();
        self.before_leaving = None;
        if let Some(at) = &step.at {
            self.until_url(at, step, ends).await?;
        }
        let before = self.seen_before(step, ends).await;
        for (number, action) in step.actions.iter().enumerate() {
            tracing::debug!(step = %step.name, action = action.verb.name(), "action");
            if number + 1 == step.actions.len() && action.verb.may_leave() {
                self.before_leaving = Some((self.address().await, self.tree().await));
            }
            let next = step.actions[number + 1..]
                .iter()
                .find_map(|next| next.verb.locators());
            let next = next.unwrap_or(&step.expect);
            self.act(action, next, step, &before, ends).await?;
            self.tab.release().await;
        }
        if let Some(url) = &step.expect_url {
            self.until_url(url, step, ends).await?;
        }
        if !step.expect.is_empty() {
            self.until_seen(&step.expect, step, ends).await?;
        }
        self.host = host(&self.address().await);
        Ok(())
    }

    /// Locators with their values in them. The flow was read: what fails now is a value that breaks one.
    fn locators(&self, written: &[Template]) -> Vec<Locator> {
        let rendered = written.iter().filter_map(|template| {
            let text = self.values.render(template).ok()?;
            Locator::parse(&text).ok()
        });
        rendered.collect()
    }

    fn text(&self, template: &Template) -> Result<String, Stop> {
        self.values
            .render(template)
            .map_err(|missing| Stop::Failed {
                code: code("missing_value"),
                why: missing.to_string(),
            })
    }

    /// What no evidence may show by now.
    pub fn masker(&self) -> Masker {
        let all = self.flow.steps.iter().flat_map(|step| &step.actions);
        let shapes = all.filter_map(|action| match &action.verb {
            Verb::Extract { pattern, .. } => pattern.clone(),
            _ => None,
        });
        Masker::new(self.values.hidden(), shapes.collect::<Vec<Regex>>())
    }

    /// The elements that the flow itself marks as secret.
    pub fn secret_elements(&self) -> Vec<Locator> {
        self.locators(&self.flow.mask)
    }

    /// What a later failure of the step that just ended is compared with. A form that was sent is gone by now, and with what
    /// comes after it nobody would compare the form.
    async fn worked_on(&mut self) -> Option<String> {
        match self.before_leaving.take() {
            Some((url, tree)) if bare(&url) != bare(&self.address().await) => tree,
            _ => self.tree().await,
        }
    }

    async fn tree(&mut self) -> Option<String> {
        let masker = self.masker();
        let taken = crate::evidence::snapshot(&self.tab.page, &masker);
        let taken = timeout(Duration::from_secs(5), taken).await;
        Some(taken.ok()?.ok()?.tree.into_inner())
    }
}

/// An address without query, fragment, and the stroke at its end.
fn bare(url: &str) -> &str {
    let bare = url.split(['?', '#']).next().unwrap_or(url);
    bare.trim_end_matches('/')
}

/// The host of an address, when it has one.
pub fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit('@').next()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}
