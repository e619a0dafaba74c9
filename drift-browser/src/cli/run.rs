//! `drift-scraper run`: a flow from its start, or from where it tripped, to its one last line.

mod ending;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use drift_schema::scraper::{Failure, Line};
use drift_schema::words::FailureCode;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Done, interrupted, say};
use crate::browser::Browser;
use crate::engine::{Engine, Stop, code};
use crate::flow::{self, Flow};
use crate::lines::{Lines, Stdout};
use crate::map::{self, Mapped, Mapping};
use crate::settings::Settings;
use crate::state::{Folder, Paused};
use crate::tab::Tab;
use crate::values::Values;

/// For the page on which a resumed step begins.
const COME_BACK_DEADLINE: Duration = Duration::from_secs(8);

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
        tracing::debug!(error = format!("{error:#}"), "the run failed");
        failure(code("browser_failed"), format!("{error:#}"))
    });
    lines.say(&last);
    Ok(match &last {
        Line::Error(failure) if failure.code == code("done") => Done::Well,
        Line::Error(failure) => {
            let details = failure.details.as_deref().unwrap_or_default();
            say(&format!("{}: {details}", failure.code));
            if [code("missing_value"), code("bad_flow")].contains(&failure.code) {
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
    let unknown = args
        .values
        .iter()
        .find(|(name, _)| !flow.values.contains_key(name));
    if let Some((name, _)) = unknown {
        let names: Vec<&str> = flow.values.keys().map(String::as_str).collect();
        let why = format!(
            "--set: there is no value `{name}`; the flow has {}",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        );
        return Err(wrong("bad_flow", why));
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
            let paused = folder.paused(token);
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
    if last < first {
        let (until, here) = (&flow.steps[last].name, &flow.steps[first].name);
        let why = format!("--until: `{until}` comes before `{here}`, where the run goes on");
        return Err(wrong("bad_flow", why));
    }
    if let (Some(paused), Some(token)) = (&paused, args.resume) {
        let removed = paused
            .made
            .is_some_and(|made| !folder.ledger(&flow.service, Some(made)).exists());
        // Only now: a mistake on the command line costs nobody the token.
        let taken = folder.take(token);
        taken.map_err(|error| wrong("bad_resume_token", format!("{error:#}")))?;
        if removed {
            let why = "--resume: what the run had created was removed by a cleanup; begin anew";
            return Err(wrong("bad_resume_token", why.to_owned()));
        }
    }
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
    let variables = match settings.variables(flow) {
        Ok(variables) => variables,
        Err(error) => return Ok(failure(code("missing_value"), format!("{error:#}"))),
    };
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
    let earlier = paused.and_then(|paused| paused.made);
    engine.ledger = Some(prepared.folder.ledger(&flow.service, earlier));
    if let Some(paused) = paused {
        engine.resources.clone_from(&paused.resources);
        engine.hold_ledger();
        if kept_tab.is_none() {
            paused.session.put_into(&engine.tab).await?;
            if paused.url.starts_with("http") {
                // Whatever it answers, the step says what is wrong with it.
                let params = serde_json::json!({"url": paused.url});
                let gone = page.tell("Page.navigate", params);
                let _ = timeout(COME_BACK_DEADLINE, gone).await;
            }
        }
    }
    if let Err(Stop::Failed { code, why }) = engine.try_mask().await {
        let why = engine.masker().hide(&why).into_owned();
        browser.close(&page, false).await?;
        return Ok(failure(code, why));
    }
    let ran = engine.run(prepared.first, prepared.last).await;
    let stopped = ran.err();
    let last = ending::finish(&mut engine, stopped, args, prepared, &browser).await;
    let keep_tab = matches!(last, Line::Tripwire(_));
    if let Err(error) = browser.close(&page, keep_tab).await {
        tracing::warn!(
            error = format!("{error:#}"),
            "the browser did not end in good order"
        );
    }
    Ok(last)
}

fn failure(code: FailureCode, why: String) -> Line {
    Line::Error(Failure {
        code,
        details: Some(why),
    })
}

/// Unix time.
fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
