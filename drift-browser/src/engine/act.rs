//! The verbs of a flow. An element is used only when there is one of it and a person could use it: in view, enabled, with
//! nothing in the way.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::wait::{Look, in_time, list};
use super::{Engine, Stop, bare, code, host};
use crate::cdp::Error;
use crate::engine::extract::Seen;
use crate::flow::{Action, Step, Template, Verb};
use crate::tab::{Blocked, Element, Point};

const GIVE_UP_DEADLINE: Duration = Duration::from_secs(1);

/// Characters that say what covers an element.
const LONGEST_COVER: usize = 120;

/// Of this many that look alike each is tried, to see whether only one can be used.
const ALIKE: usize = 8;

impl Engine<'_> {
    pub(super) async fn act(
        &mut self,
        action: &Action,
        next: &[Template],
        step: &Step,
        before: &Seen,
        ends: Instant,
    ) -> Result<(), Stop> {
        match &action.verb {
            Verb::Goto(url) => {
                let url = self.text(url)?;
                self.goto(&url, step, ends).await
            }
            Verb::Press(key) => {
                self.asked = None;
                let pressed = self.tab.press(key).await;
                self.tab.watch.touched();
                self.now(pressed).await
            }
            Verb::ExpectUrl(url) => self.until_url(url, step, ends).await,
            Verb::WaitFor(what) if action.optional => {
                self.either(what, next, step, ends).await.map(drop)
            }
            Verb::WaitFor(what) => self.until_seen(what, step, ends).await,
            Verb::Extract { .. } => self.extract(&action.verb, step, before, ends).await,
            Verb::Otp { .. } => self.otp(&action.verb, ends).await,
            Verb::Click(what)
            | Verb::Check { what, .. }
            | Verb::Select { what, .. }
            | Verb::Fill { into: what, .. } => {
                if action.optional && !self.either(what, next, step, ends).await? {
                    return Ok(());
                }
                let is_field = matches!(action.verb, Verb::Fill { .. });
                let (element, point) = self.reach(what, is_field, step, ends).await?;
                // From here on the page may go where it likes.
                self.asked = None;
                let watch = self.tab.watch.clone();
                let used = self.handle(&action.verb, &element, point);
                let used = in_time(&watch, ends, used).await;
                watch.touched();
                match used {
                    Some(used) => used,
                    None => Err(self.out_of_time(step).await),
                }
            }
        }
    }

    async fn handle(&mut self, verb: &Verb, element: &Element, point: Point) -> Result<(), Stop> {
        match verb {
            Verb::Fill { text, .. } => {
                let text = self.text(text)?;
                let filled = self.fill(element, point, &text).await;
                self.now(filled).await
            }
            Verb::Check { on, .. } => {
                let toggled = self.toggle(element, point, *on).await;
                self.now(toggled).await
            }
            Verb::Select { option, .. } => {
                let wanted = self.text(option)?;
                let argument = [json!({"value": wanted})];
                let chosen = self.tab.on::<bool>(element, "choose", &argument);
                match chosen.await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(Stop::Tripwire {
                        kind: drift_schema::report::TripwireKind::SelectorMissing,
                        why: format!("the list has no option `{option}`"),
                    }),
                    Err(error) => self.now(Err(error)).await,
                }
            }
            _ => {
                let clicked = self.tab.click(point).await;
                self.now(clicked).await
            }
        }
    }

    async fn fill(&self, element: &Element, point: Point, text: &str) -> Result<(), Error> {
        self.tab.click(point).await?;
        let empty: bool = self.tab.on(element, "focus", &[]).await?;
        if text.is_empty() {
            if !empty {
                self.tab.press("Delete").await?;
            }
            return Ok(());
        }
        self.tab.type_text(text).await
    }

    async fn toggle(&self, element: &Element, point: Point, on: bool) -> Result<(), Error> {
        if self.tab.on::<bool>(element, "checked", &[]).await? != on {
            self.tab.click(point).await?;
        }
        Ok(())
    }

    /// An order to a page that went away meanwhile is done: what comes next sees where it went.
    async fn now(&mut self, done: Result<(), Error>) -> Result<(), Stop> {
        match done {
            Ok(()) => Ok(()),
            Err(Error::Refused { message, .. }) => {
                tracing::debug!(message, "the page went on before an action was over");
                Ok(())
            }
            Err(error) => Err(self.browser_gone(&error)),
        }
    }

    /// Goes to an address. The answer is a page, whatever it says; `judge` reads it when something is missing on it.
    async fn goto(&mut self, url: &str, step: &Step, ends: Instant) -> Result<(), Stop> {
        let params = json!({"url": url, "transitionType": "typed"});
        let page = self.tab.page.clone();
        let gone = page.call::<Value>("Page.navigate", params);
        let watch = self.tab.watch.clone();
        let gone = match in_time(&watch, ends, gone).await {
            Some(Ok(gone)) => gone,
            Some(Err(error @ Error::Refused { .. })) => {
                let shown = self.masker().hide(url).into_owned();
                return Err(Stop::Failed {
                    code: code("bad_flow"),
                    why: format!(
                        "step `{}` goes to `{shown}`, which is no address: {error}",
                        step.name
                    ),
                });
            }
            Some(Err(error)) => return Err(self.browser_gone(&error)),
            None => {
                // Until it is given up, the page before answers no questions either.
                let given_up = page.tell("Page.stopLoading", json!({}));
                let _ = timeout(GIVE_UP_DEADLINE, given_up).await;
                let stop = self.out_of_time(step).await;
                self.asked = Some(bare(url).to_owned());
                return Err(stop);
            }
        };
        let error = gone["errorText"].as_str().unwrap_or_default();
        if !error.is_empty() {
            let is_download = gone["isDownload"] == true;
            return Err(self.judge_navigation(url, error, is_download));
        }
        self.host = host(url);
        self.asked = Some(bare(url).to_owned());
        Ok(())
    }

    /// Whether an optional element came before what follows it did.
    async fn either(
        &mut self,
        what: &[Template],
        next: &[Template],
        step: &Step,
        ends: Instant,
    ) -> Result<bool, Stop> {
        let looked = self
            .until(step, ends, async |engine| {
                if engine.sees(what).await? {
                    return Ok(Ok(true));
                }
                if engine.sees(next).await? {
                    return Ok(Ok(false));
                }
                Ok(Err(String::new()))
            })
            .await?;
        // Neither came: what follows says so better.
        Ok(looked.unwrap_or(false))
    }

    /// The one element that is meant, and where to click it.
    async fn reach(
        &mut self,
        what: &[Template],
        is_field: bool,
        step: &Step,
        ends: Instant,
    ) -> Result<(Element, Point), Stop> {
        let locators = self.locators(what);
        let reached = self
            .until(step, ends, async |engine| {
                let mut unusable = None;
                for locator in &locators {
                    let found = engine.tab.find(locator).await?.0;
                    if found.is_empty() {
                        continue;
                    }
                    match engine.one_of(found, is_field).await? {
                        Ok(reached) => return Ok(Ok(reached)),
                        // What the author meant first says most.
                        Err(reason) => {
                            unusable.get_or_insert(format!("found {locator}, but {reason}"));
                        }
                    }
                }
                engine.dismiss().await?;
                Ok(Err(unusable.unwrap_or_else(|| {
                    format!("found none of {}", list(what))
                })))
            })
            .await?;
        match reached {
            Ok(reached) => Ok(reached),
            Err(missing) => Err(self.judge(missing).await),
        }
    }

    async fn one_of(
        &mut self,
        found: Vec<Element>,
        is_field: bool,
    ) -> Result<Look<(Element, Point)>, Error> {
        let count = found.len();
        let mut usable = Vec::new();
        let mut blocked: Option<Blocked> = None;
        for element in found.into_iter().take(ALIKE) {
            let reached = if is_field {
                self.tab.reach_field(&element).await?
            } else {
                self.tab.reach(&element).await?
            };
            match reached {
                Ok(point) => usable.push((element, point)),
                Err(reason) => blocked = Some(reason),
            }
        }
        Ok(match (usable.len(), blocked) {
            (1, _) => usable.pop().ok_or_else(String::new),
            (0, Some(Blocked::Covered(by))) => {
                // Hidden before it is cut: half a secret is not known as one.
                let by = self.masker().hide(&by).into_owned();
                let shown: String = by.chars().take(LONGEST_COVER).collect();
                let more = if shown.len() < by.len() { " …" } else { "" };
                Err(format!("it is covered by {shown}{more}"))
            }
            (0, Some(reason)) => Err(reason.to_string()),
            _ => Err(format!("there are {count} of it")),
        })
    }

    /// Clears away what the flow knows may lie over a page.
    pub(super) async fn dismiss(&mut self) -> Result<(), Error> {
        for locator in self.locators(&self.flow.dismiss) {
            let found = self.tab.find(&locator).await?.0;
            if let [element] = &found[..]
                && let Ok(point) = self.tab.reach(element).await?
            {
                tracing::info!(%locator, "dismissed");
                self.tab.click(point).await?;
                self.tab.watch.touched();
            }
        }
        Ok(())
    }
}
