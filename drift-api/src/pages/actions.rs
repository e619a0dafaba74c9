//! The forms with which people decide. Each does what the JSON of the same name does, and answers with the page on which
//! it stood, where a line says what came of it.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::action::{DriftAction, ServiceAction};
use drift_schema::{Day, Micros, ScraperVersion, Service, Step, StepHash};
use serde_json::{Value, json};

use super::form::Form;
use super::notice::Notice;
use super::{PageError, Viewer};
use crate::http::State;
use crate::http::actions::one_or_all;

/// Beside all forms of a drift: where the browser is when one of them has been sent.
const DECIDE: &str = "decide";
/// The forms of a drift, by the action that each is for.
const FORMS: [&str; 8] = [
    "replay",
    "drop-replay",
    "mute",
    "unmute",
    "fixed",
    "not-fixed",
    "rename",
    "undo-rename",
];

pub(super) async fn on_drift(
    state: Data<State>,
    viewer: Viewer,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Result<HttpResponse, PageError> {
    const NONE: PageError = PageError::NotFound("drift");
    let (service, hash) = path.into_inner();
    let (Ok(service), Ok(hash)) = (Service::parse(&service), StepHash::parse(&hash)) else {
        return Err(NONE);
    };
    let form = Form::of_admin(&state, &viewer, &request, payload).await?;
    let page = format!("/drifts/{service}/{hash}#actions");
    let name = form.get("action").map(str::to_owned);
    // Beside the form, if it is one of ours.
    let name = name.filter(|name| FORMS.contains(&name.as_str()));
    let trouble = |why: String| match &name {
        Some(name) => Notice::trouble(why).beside(name),
        None => Notice::trouble(why).beside(DECIDE),
    };
    let action = match drift_action(form) {
        Ok(action) => action,
        Err(why) => return trouble(why.to_owned()).on(&page, &state).await,
    };
    let done = done(&action);
    let (by, now) = (viewer.by, Micros::now());
    let acted = state
        .store
        .act_on_drift(&viewer.workspace, &service, &hash, action, by, now);
    match state.read(acted).await?.ok_or(NONE)? {
        Ok(_) => Notice::done(done).beside(DECIDE).on(&page, &state).await,
        Err(refused) => {
            let why = format!("That cannot be done: {refused}.");
            trouble(why).on(&page, &state).await
        }
    }
}

pub(super) async fn on_service(
    state: Data<State>,
    viewer: Viewer,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, PageError> {
    let service = one_or_all(&path).ok_or(PageError::NotFound("service"))?;
    let form = Form::of_admin(&state, &viewer, &request, payload).await?;
    let (action, done) = match form.get("action") {
        Some("pause") => (ServiceAction::Pause {}, "paused"),
        Some("resume") => (ServiceAction::Resume {}, "going on"),
        _ => return Err(PageError::Forged),
    };
    let shown = match &service {
        Some(service) => service.to_string(),
        None => "all services".to_owned(),
    };
    let (by, now) = (viewer.by, Micros::now());
    let acted = state
        .store
        .act_on_service(&viewer.workspace, service, action, by, now);
    let notice = match state.read(acted).await? {
        Ok(()) => Notice::done(format!("Replays of {shown} are {done}.")),
        Err(refused) => Notice::trouble(format!("{shown}: {refused}.")),
    };
    notice.on("/", &state).await
}

/// The same type as in JSON, and what is wrong with a field in words.
fn drift_action(form: Form) -> Result<DriftAction, &'static str> {
    let mut fields = form.into_json();
    let text = |fields: &Value, name: &str| fields[name].as_str().map(str::to_owned);
    if let Some(until) = text(&fields, "until") {
        let day: Day = until
            .parse()
            .map_err(|_| "That is no day; write it as in 2026-11-21.")?;
        fields["until"] = json!(day.start());
    }
    if let Some(reports) = text(&fields, "reports") {
        let number: u64 = reports
            .parse()
            .map_err(|_| "How many reports? Write a number above zero.")?;
        fields["reports"] = json!(number);
    }
    if let Some(version) = text(&fields, "version") {
        ScraperVersion::parse(&version)
            .map_err(|_| "That is no version; write it with three numbers, as in 1.4.2.")?;
    }
    if let Some(to) = text(&fields, "to") {
        Step::parse(&to).map_err(
            |_| "That is no step: lower-case letters, digits and . _ : -, as the flow has it.",
        )?;
    }
    match fields["action"].as_str() {
        Some("fixed") if fields["version"].is_null() => {
            return Err("In which version is it fixed? Older ones count and change nothing.");
        }
        Some("rename") if fields["to"].is_null() => {
            return Err("What is the step's name now?");
        }
        _ => {}
    }
    serde_json::from_value(fields).map_err(|_| "This form does not read; load the page anew.")
}

/// What the page says afterwards.
fn done(action: &DriftAction) -> String {
    match action {
        DriftAction::Replay {} => "The next tick replays it, as far as the budget goes.".to_owned(),
        DriftAction::DropReplay {} => "No replay is waited for any more.".to_owned(),
        DriftAction::Mute {
            until: None,
            version: None,
            reports: None,
        } => "Muted until somebody unmutes it.".to_owned(),
        DriftAction::Mute { .. } => "Muted. What is reported meanwhile waits.".to_owned(),
        DriftAction::Unmute {} => {
            "Unmuted. What waited is looked at with the next tick.".to_owned()
        }
        DriftAction::Fixed { version } => {
            format!(
                "Marked as fixed in {version}. Reports of older versions count and change nothing."
            )
        }
        DriftAction::NotFixed {} => "No longer marked as fixed.".to_owned(),
        DriftAction::Rename { to } => {
            format!("What is reported of this step is about {to} from now on.")
        }
        DriftAction::UndoRename {} => "A step of its own again.".to_owned(),
    }
}
