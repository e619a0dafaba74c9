//! From how a flow ended to the one last line: the key, the tripwire with its evidence, or the error.

use std::time::Duration;

use drift_schema::report::TripwireKind;
use drift_schema::scraper::{ApiKey, Line, Success, Tripped};
use tokio::time::timeout;

use super::{Args, Prepared, failure};
use crate::browser::Browser;
use crate::cli::say;
use crate::engine::{Engine, Stop, Stopped, code};
use crate::evidence::{self, Area};
use crate::session::Session;
use crate::state::Paused;

/// A page that is to be pictured says anything within this.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// For each part of the evidence. A page that hangs gives none, and the tripwire goes out without it.
const EVIDENCE_DEADLINE: Duration = Duration::from_secs(8);

/// From how the flow ended to its last line.
pub(super) async fn finish(
    engine: &mut Engine<'_>,
    stopped: Option<Box<Stopped>>,
    args: &Args,
    prepared: &Prepared,
    browser: &Browser,
) -> Line {
    let line = match stopped {
        None => ended_well(engine, prepared),
        Some(stopped) => match stopped.stop {
            Stop::Failed { code, why } => failure(code, engine.masker().hide(&why).into_owned()),
            Stop::Tripwire { .. } => tripwire(engine, *stopped, args, prepared, browser).await,
        },
    };
    // The login may be another by now, and values more.
    engine.remember().await;
    line
}

fn ended_well(engine: &Engine<'_>, prepared: &Prepared) -> Line {
    let flow = &prepared.flow;
    let whole = prepared.last + 1 == flow.steps.len();
    let step = &flow.steps[prepared.last].name;
    let Some(result) = flow.result.as_ref().filter(|_| whole) else {
        return failure(code("done"), format!("every step up to `{step}` went well"));
    };
    let key = engine.values.get(result).unwrap_or_default();
    match ApiKey::parse(key) {
        Ok(api_key) => Line::Success(Success { api_key }),
        Err(error) => failure(
            code("bad_key"),
            format!("what the page gave as its key is none: {error}"),
        ),
    }
}

async fn tripwire(
    engine: &mut Engine<'_>,
    stopped: Stopped,
    args: &Args,
    prepared: &Prepared,
    browser: &Browser,
) -> Line {
    let flow = &prepared.flow;
    let step = flow.steps[stopped.index].name.clone();
    let Stop::Tripwire { kind, why } = stopped.stop else {
        return failure(code("internal"), "no tripwire".to_owned());
    };
    let masker = engine.masker();
    say(&format!(
        "tripwire {} at `{step}`: {}",
        kind_name(kind),
        masker.hide(&why)
    ));
    let url = engine.destination().await;
    // Of a page that hangs there is nothing to be had, and no time to lose.
    let answers = engine.tab.comes_to_a_stand(ANSWER_DEADLINE).await;
    if !answers {
        say("the page does not answer: the tripwire has neither tree nor picture");
    }
    let snapshot = evidence::snapshot(&engine.tab.page, &masker);
    let snapshot = async { Ok(snapshot.await?) };
    let snapshot = in_time(answers, "the tree", snapshot).await;
    let secret = engine.secret_elements();
    let area = if args.full_page {
        Area::FullPage
    } else {
        Area::Viewport
    };
    let picture = evidence::picture(&mut engine.tab, &masker, &secret, area);
    let picture = async { Ok(picture.await?) };
    let picture = in_time(answers, "the picture", picture).await.flatten();
    let session = Session::take(&mut engine.tab);
    let session = in_time(true, "the login", async { Ok(session.await?) }).await;
    let token = session.and_then(|session| {
        let paused = Paused {
            service: flow.service.clone(),
            step: step.clone(),
            url: stopped.url,
            values: engine.values.all(),
            session,
            resources: engine.resources.clone(),
            made: match (&engine.ledger, &engine.resources[..]) {
                (Some(ledger), [_, ..]) => Some(ledger.id()),
                _ => None,
            },
            mails_since: engine.mails_since,
            target: match browser {
                Browser::Ours(_) => None,
                Browser::Theirs(_) => Some(engine.tab.page.target().to_owned()),
            },
        };
        let token = prepared.folder.pause(&paused);
        token
            .inspect_err(|error| say(&format!("this run cannot be resumed: {error:#}")))
            .ok()
    });
    let (tree, dom_digest) = match snapshot {
        Some(snapshot) => (Some(snapshot.tree.into_inner()), Some(snapshot.dom_digest)),
        None => (None, None),
    };
    Line::Tripwire(Tripped {
        kind,
        step,
        url: Some(crate::engine::shown_url(&url, &masker)),
        screenshot_b64: picture.map(evidence::Masked::into_inner),
        dom_digest,
        resume_token: token,
        scraper_version: Some(flow.version.clone()),
        tree,
    })
}

/// A part of the evidence, if the page gives it in time.
async fn in_time<T>(
    answers: bool,
    what: &str,
    part: impl Future<Output = anyhow::Result<T>>,
) -> Option<T> {
    if !answers {
        return None;
    }
    match timeout(EVIDENCE_DEADLINE, part).await {
        Ok(Ok(part)) => Some(part),
        Ok(Err(error)) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "{what} is missing from the tripwire"
            );
            None
        }
        Err(_) => {
            tracing::warn!("{what} is missing from the tripwire: the page did not answer");
            None
        }
    }
}

fn kind_name(kind: TripwireKind) -> &'static str {
    match kind {
        TripwireKind::SelectorMissing => "selector-missing",
        TripwireKind::UnexpectedNav => "unexpected-nav",
        TripwireKind::Timeout => "timeout",
    }
}
