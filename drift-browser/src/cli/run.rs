//! `drift-scraper run`: a flow from its start, or from where it tripped, to its one last line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use drift_schema::report::TripwireKind;
use drift_schema::scraper::{ApiKey, Failure, Line, Success, Tripped};
use drift_schema::words::FailureCode;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Done, interrupted, say};
use crate::browser::Browser;
use crate::engine::{Engine, Stop, Stopped, code};
use crate::evidence::{self, Area};
use crate::flow::{self, Flow};
use crate::lines::{Lines, Stdout};
use crate::map::{self, Mapped, Mapping};
use crate::session::Session;
use crate::settings::Settings;
use crate::state::{Folder, Made, Paused};
use crate::tab::Tab;
use crate::values::Values;

/// A page that is to be pictured says anything within this.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// For each part of the evidence. A page that hangs gives none, and the tripwire goes out without it.
const EVIDENCE_DEADLINE: Duration = Duration::from_secs(8);

#[derive(clap::Args)]
pub struct Args {
    flow: PathBuf,
    /// Stop after this step; `last-safe` is the flow's last step that leaves nothing behind
    #[arg(long, value_name = "STEP")]
    until: Option<String>,
    /// Go on where a tripwire stopped
    #[arg(long, value_name = "TOKEN")]
    resume: Option<Uuid>,
    /// Set a value of the flow
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    values: Vec<(String, String)>,
    /// Answer an address from a local site; then nothing leaves the machine
    #[arg(long = "map", value_name = "ORIGIN=http://HOST:PORT")]
    mappings: Vec<Mapping>,
    /// For each step, instead of what the flow says
    #[arg(long, value_name = "TIME", value_parser = flow::duration)]
    step_deadline: Option<Duration>,
    /// Picture the whole page, not only what is in view
    #[arg(long)]
    full_page: bool,
    /// Show the browser
    #[arg(long)]
    headed: bool,
}

fn name_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<Done> {
    let mut lines = Stdout;
    let lines: &mut dyn Lines = &mut lines;
    let prepared = match prepare(&args, settings) {
        Ok(prepared) => prepared,
        Err(wrong) => {
            say(&wrong.why);
            lines.say(&failure(wrong.code, wrong.why));
            return Ok(Done::Misused);
        }
    };
    let last = tokio::select! {
        last = drive(&args, settings, &prepared, lines) => last,
        () = interrupted() => Ok(failure(code("interrupted"), "a signal ended the run".to_owned())),
    };
    let last = last.unwrap_or_else(|error| {
        tracing::error!(error = format!("{error:#}"), "the run failed");
        failure(code("browser_failed"), format!("{error:#}"))
    });
    lines.say(&last);
    Ok(match &last {
        Line::Error(failure) if failure.code == code("done") => Done::Well,
        Line::Error(failure) => {
            let details = failure.details.as_deref().unwrap_or_default();
            say(&format!("{}: {details}", failure.code));
            if failure.code == code("missing_value") {
                Done::Misused
            } else {
                Done::Badly
            }
        }
        _ => Done::Well,
    })
}

/// What is known before a browser starts.
struct Prepared {
    flow: Flow,
    first: usize,
    last: usize,
    paused: Option<Paused>,
    folder: Folder,
}

struct Wrong {
    code: FailureCode,
    why: String,
}

fn prepare(args: &Args, settings: &Settings) -> Result<Prepared, Wrong> {
    let wrong = |name: &str, why: String| Wrong {
        code: code(name),
        why,
    };
    let mut flow =
        Flow::read(&args.flow).map_err(|faults| wrong("bad_flow", faults.to_string()))?;
    if let Some(deadline) = args.step_deadline {
        flow.steps
            .iter_mut()
            .for_each(|step| step.deadline = deadline);
    }
    let step = |name: &str| {
        flow.steps
            .iter()
            .position(|step| step.name.as_str() == name)
    };
    let last = match args.until.as_deref() {
        None => flow.steps.len().saturating_sub(1),
        Some("last-safe") => flow
            .last_safe_step
            .as_ref()
            .and_then(|name| step(name.as_str()))
            .ok_or_else(|| wrong("bad_flow", "the flow declares no last-safe-step".to_owned()))?,
        Some(name) => step(name)
            .ok_or_else(|| wrong("bad_flow", format!("--until: there is no step `{name}`")))?,
    };
    let folder = Folder::at(settings.state.clone());
    let paused = match args.resume {
        None => None,
        Some(token) => {
            let paused = folder.resume(token);
            Some(paused.map_err(|error| wrong("bad_resume_token", format!("{error:#}")))?)
        }
    };
    let first = match &paused {
        None => 0,
        Some(paused) if paused.service != flow.service => {
            let why = format!("--resume: the token is of a flow for {}", paused.service);
            return Err(wrong("bad_resume_token", why));
        }
        Some(paused) => step(paused.step.as_str()).ok_or_else(|| {
            let why = format!("--resume: the flow has no step `{}` any more", paused.step);
            wrong("bad_resume_token", why)
        })?,
    };
    Ok(Prepared {
        flow,
        first,
        last,
        paused,
        folder,
    })
}

async fn drive(
    args: &Args,
    settings: &Settings,
    prepared: &Prepared,
    lines: &mut dyn Lines,
) -> anyhow::Result<Line> {
    let flow = &prepared.flow;
    let variables = settings.variables(flow)?;
    let chosen: BTreeMap<String, String> = args.values.iter().cloned().collect();
    let paused = prepared.paused.as_ref();
    let before = paused.map(|paused| paused.values.clone());
    let values = Values::resolve(flow, &variables, &chosen, &before.unwrap_or_default());
    let values = match values {
        Ok(values) => values,
        Err(missing) => {
            let why: Vec<String> = missing.iter().map(ToString::to_string).collect();
            return Ok(failure(code("missing_value"), why.join("; ")));
        }
    };
    let mut launch = settings.launch();
    launch.headed = args.headed;
    if !args.mappings.is_empty() {
        launch.more_arguments.push(map::NOTHING_LEAVES.to_owned());
    }
    let browser = Browser::open(&launch, settings.cdp_url.as_deref()).await?;
    let kept_tab = paused.and_then(|paused| paused.target.as_deref());
    let page = match kept_tab {
        Some(target) if settings.cdp_url.is_some() => {
            crate::page::Page::attach(browser.connection(), target)
                .await
                .context("the tab of the tripwire is gone")?
        }
        _ => browser.page().await?,
    };
    let tab = Tab::take(page.clone()).await?;
    let _mapped = match &args.mappings[..] {
        [] => None,
        mappings => Some(Mapped::begin(&page, mappings).await?),
    };
    let since = paused.map_or_else(now, |paused| paused.mails_since);
    let mut engine = Engine::new(flow, tab, values, lines, since);
    if let Some(paused) = paused {
        engine.resources.clone_from(&paused.resources);
        if kept_tab.is_none() {
            paused.session.put_into(&engine.tab).await?;
            if paused.url.starts_with("http") {
                // Whatever it answers, the step says what is wrong with it.
                let params = serde_json::json!({"url": paused.url});
                let gone = page.tell("Page.navigate", params);
                let _ = timeout(EVIDENCE_DEADLINE, gone).await;
            }
        }
    }
    let ran = engine.run(prepared.first, prepared.last).await;
    let stopped = ran.err();
    let last = finish(&mut engine, stopped, args, prepared, &browser).await;
    let keep_tab = matches!(last, Line::Tripwire(_));
    if let Err(error) = browser.close(&page, keep_tab).await {
        tracing::warn!(
            error = format!("{error:#}"),
            "the browser did not end in good order"
        );
    }
    Ok(last)
}

/// From how the flow ended to its last line.
async fn finish(
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
    let is_paused = matches!(&line, Line::Tripwire(tripped) if tripped.resume_token.is_some());
    // What is paused takes its resources along.
    if !engine.resources.is_empty() && !is_paused {
        let session = timeout(EVIDENCE_DEADLINE, Session::take(&mut engine.tab)).await;
        let made = Made {
            service: prepared.flow.service.clone(),
            resources: engine.resources.clone(),
            values: engine.values.all(),
            session: session.ok().and_then(Result::ok).unwrap_or_default(),
        };
        if let Err(error) = prepared.folder.remember(&made) {
            say(&format!(
                "cleanup will not know what this run created: {error:#}"
            ));
        }
    }
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
    let url = engine.address().await;
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

fn failure(code: FailureCode, why: String) -> Line {
    Line::Error(Failure {
        code,
        details: Some(why),
    })
}

fn kind_name(kind: TripwireKind) -> &'static str {
    match kind {
        TripwireKind::SelectorMissing => "selector-missing",
        TripwireKind::UnexpectedNav => "unexpected-nav",
        TripwireKind::Timeout => "timeout",
    }
}

/// Unix time.
fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
