//! Waiting: for something to be there, as long as the page still moves. A page that is complete, asks the network for
//! nothing and changes nothing will not bring what is missing, so nobody waits for the deadline then. Nothing here
//! sleeps for a fixed time: what happens in the page wakes us, and a short tick looks after what tells nobody.

use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::{Engine, Stop};
use crate::cdp::Error;
use crate::engine::code;
use crate::flow::{Step, Template, UrlPattern};
use crate::tab::watch::Watch;

/// The longest between two looks at the page.
const TICK: Duration = Duration::from_millis(50);

/// Without an answer for this long a page hangs.
const SILENCE: Duration = Duration::from_secs(2);

/// A page that goes elsewhere by itself this often within one wait never stays.
const RESTLESS: u32 = 12;
/// How a browser says that a CSS selector is none.
const NO_SELECTOR: &str = "is not a valid selector";

/// Why something did not come.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    /// The page was at rest: it would not have come later either.
    pub at_rest: bool,
    /// The document itself had not come by the deadline, or parts of it were still under way.
    pub loading: bool,
    /// The page did not even answer.
    pub silent: bool,
    /// The page kept going elsewhere.
    pub restless: bool,
    pub why: String,
}

/// What one look found: it is there, or why not.
pub(super) type Look<T> = Result<T, String>;

impl Engine<'_> {
    /// Looks again and again until it is there, the page rests without it, or the time is over. Failures of the browser end it
    /// at once.
    pub(super) async fn until<T>(
        &mut self,
        step: &Step,
        ends: Instant,
        mut look: impl AsyncFnMut(&mut Self) -> Result<Look<T>, Error>,
    ) -> Result<Result<T, Missing>, Stop> {
        let mut why = String::from("the page did not answer");
        let mut answered = None;
        let mut loading = true;
        // A look that was made before the page came to rest proves nothing: it may have come in between.
        let mut at_rest = false;
        loop {
            self.alive()?;
            let watch = self.tab.watch.clone();
            let looked = in_time(&watch, ends, look(self)).await;
            if looked.is_some() {
                answered = Some(Instant::now());
            }
            match looked {
                Some(Ok(Ok(there))) => return Ok(Ok(there)),
                Some(Ok(Err(reason))) if at_rest => {
                    return Ok(Err(self.missing(true, false, reason)));
                }
                Some(Ok(Err(reason))) => why = reason,
                Some(Err(Error::Refused { message, .. })) if message.contains(NO_SELECTOR) => {
                    return Err(Stop::Failed {
                        code: code("bad_flow"),
                        why: format!("step `{}`: {message}", step.name),
                    });
                }
                // It navigates under our hands: the next look sees the next document.
                Some(Err(Error::Refused { message, .. })) => {
                    tracing::trace!(message, "the page changed during a look");
                }
                Some(Err(_)) => {}
                None => {
                    self.alive()?;
                    return Ok(Err(self.cut_short(answered, loading, why)));
                }
            }
            self.alive()?;
            if self.tab.watch.state().navigations > RESTLESS {
                let mut missing = self.missing(false, false, why);
                missing.restless = true;
                return Ok(Err(missing));
            }
            let rest = in_time(&watch, ends, self.at_rest(step.settle)).await;
            let rested = std::mem::replace(&mut at_rest, matches!(rest, Some(Ok(Rest::Quiet))));
            match rest {
                // It would not even let itself be looked at.
                Some(Ok(Rest::Quiet)) if rested => {
                    return Ok(Err(self.missing(true, false, why)));
                }
                Some(Ok(Rest::Quiet)) => continue,
                Some(Ok(rest)) => loading = matches!(rest, Rest::Loading),
                None => {
                    self.alive()?;
                    return Ok(Err(self.cut_short(answered, loading, why)));
                }
                Some(Err(_)) => {}
            }
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Err(self.missing(false, loading, why)));
            }
            self.tab.watch.changed(TICK.min(left)).await;
        }
    }

    /// The time was over in the middle of a look. A page that answered until just now was only slow.
    fn cut_short(&self, answered: Option<Instant>, loading: bool, why: String) -> Missing {
        let silent = answered.is_none_or(|answered| answered.elapsed() > SILENCE);
        Missing {
            silent,
            ..self.missing(false, loading || silent, why)
        }
    }

    fn missing(&self, at_rest: bool, loading: bool, why: String) -> Missing {
        Missing {
            at_rest,
            loading,
            silent: false,
            restless: false,
            why,
        }
    }

    /// Whether the page will still change: neither its document nor its requests moved for `settle`.
    async fn at_rest(&mut self, settle: Duration) -> Result<Rest, Error> {
        let Some(quiet) = self.tab.watch.quiet() else {
            return Ok(Rest::Loading);
        };
        // The main document never came: there is nothing to wait for.
        if self.tab.watch.state().failed.is_some() {
            return Ok(Rest::Quiet);
        }
        let rest = self.tab.rest().await?;
        if !rest.complete {
            return Ok(Rest::Loading);
        }
        let still = quiet >= settle && rest.quiet >= settle.as_secs_f64() * 1000.0;
        Ok(if still { Rest::Quiet } else { Rest::Moving })
    }

    /// Whether there is still a page to work on.
    pub(super) fn alive(&self) -> Result<(), Stop> {
        let state = self.tab.watch.state();
        let failed = |name: &str, why: &str| {
            Err(Stop::Failed {
                code: code(name),
                why: why.to_owned(),
            })
        };
        if state.closed || self.tab.page.connection().is_closed() {
            return failed(
                "browser_crashed",
                "the browser ended in the middle of the flow",
            );
        }
        if state.crashed {
            return failed(
                "page_crashed",
                "the page's process ended in the middle of the flow",
            );
        }
        if state.too_long {
            return failed(
                "page_too_large",
                "the page's document is longer than 24 MiB",
            );
        }
        Ok(())
    }

    /// What is wrong with the flow's `mask`, before it is too late to be told.
    pub async fn try_mask(&mut self) -> Result<(), Stop> {
        for locator in self.secret_elements() {
            if let Err(Error::Refused { message, .. }) = self.tab.find(&locator).await
                && message.contains(NO_SELECTOR)
            {
                return Err(Stop::Failed {
                    code: code("bad_flow"),
                    why: format!("mask: {message}"),
                });
            }
        }
        Ok(())
    }

    /// Waits until the page is at an address.
    pub(super) async fn until_url(
        &mut self,
        wanted: &Template,
        step: &Step,
        ends: Instant,
    ) -> Result<(), Stop> {
        let wanted = self.text(wanted)?;
        let pattern = UrlPattern::parse(&wanted).map_err(|why| Stop::Failed {
            code: code("bad_flow"),
            why,
        })?;
        let looked = self
            .until(step, ends, async |engine| {
                let url = engine.tab.url().await?;
                Ok(if pattern.matches(&url) {
                    Ok(())
                } else {
                    let shown = super::judge::shown_url(&url, &engine.masker());
                    Err(format!(
                        "expected the address {pattern}, the page is at {shown}"
                    ))
                })
            })
            .await?;
        match looked {
            Ok(()) => Ok(()),
            Err(missing) => Err(self.judge_url(missing).await),
        }
    }

    /// Waits until one of some elements can be seen.
    pub(super) async fn until_seen(
        &mut self,
        wanted: &[Template],
        step: &Step,
        ends: Instant,
    ) -> Result<(), Stop> {
        let looked = self
            .until(step, ends, async |engine| {
                if engine.sees(wanted).await? {
                    return Ok(Ok(()));
                }
                engine.dismiss().await?;
                Ok(Err(format!("expected {}", list(wanted))))
            })
            .await?;
        match looked {
            Ok(()) => Ok(()),
            Err(missing) => Err(self.judge(missing).await),
        }
    }

    /// Whether one of some elements can be seen now.
    pub(super) async fn sees(&mut self, wanted: &[Template]) -> Result<bool, Error> {
        for locator in self.locators(wanted) {
            if !self.tab.find(&locator).await?.0.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a page answers in time. None at the end of the time, and as soon as there is no page any more.
pub(super) async fn in_time<T>(
    watch: &Watch,
    ends: Instant,
    answer: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        answer = timeout_at(ends.into(), answer) => answer.ok(),
        () = watch.lost() => None,
    }
}

enum Rest {
    Quiet,
    /// Something is still to come from the network.
    Loading,
    /// The document still changes.
    Moving,
}

/// Alternatives as a flow has them.
pub(super) fn list(wanted: &[Template]) -> String {
    let all: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    all.join(", or ")
}
