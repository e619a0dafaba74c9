//! `POST /drift/report` and `POST /drift/reports`: the door.

use actix_web::http::header::ContentType;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::answer::{Accepted, AcceptedLines, BatchCount, RejectedLine};
use drift_schema::{Code, Problem, Refusal, Report, Scope};

use super::State;
use super::body::Accepts;
use super::error::ApiError;
use crate::keys::Key;
use crate::store::{Incoming, Outcome};

/// Bytes of one report, also as a line of many.
const REPORT_BYTES: usize = 16 * 1024;
/// Bytes of an NDJSON body: a thousand of the longest lawful reports fit.
const REPORTS_BYTES: usize = 1024 * 1024;
const REPORTS_LINES: usize = 1_000;

/// Store one report
///
/// Answered after a durable commit. Sending the same `report_id` with the same content again is safe for at least
/// thirty days: it is counted once.
#[utoipa::path(
    post, path = "/drift/report", tag = "ingest",
    request_body(content = Report, content_type = "application/json"),
    responses(
        (status = 202, description = "Stored, or stored before", body = Accepted),
        (status = 400, description = "`malformed_json`, `malformed_encoding`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`report_conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`, `unsupported_encoding`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`unknown_field`, `missing_field`, `duplicate_field`, `invalid_field`, `pii_suspected`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`; see Retry-After", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable`, `shutting_down`; see Retry-After", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["ingest"])),
)]
pub(super) async fn create(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    create_one(&state, &request, payload)
        .await
        .inspect_err(|error| state.telemetry.metrics.refused(error.refusal.code))
}

async fn create_one(
    state: &State,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let key = state.authorise(request, &[Scope::Ingest]).await?;
    let accepts = Accepts {
        media_types: &["application/json"],
        limit: REPORT_BYTES,
        gzip: true,
        deadline: state.body_deadline,
    };
    let body = accepts.read(request, payload).await?;
    spend(&key, 1)?;
    let report = state.ingest.prepare(Report::parse(&body)?, &key.id)?;
    let (report_id, service, step) = (
        report.report_id(),
        report.report().service.clone(),
        report.report().step.clone(),
    );
    let answers = state
        .ingest
        .submit(key.workspace.clone(), vec![report])
        .await?;
    let outcome = answers.into_iter().next().unwrap_or(Err(Code::Internal))?;
    let (duplicate, day, count) = match outcome {
        Outcome::Accepted { day, count } => (false, day, count),
        Outcome::Duplicate { day, count } => (true, day, count),
        Outcome::Conflict => return Err(Refusal::field(Code::ReportConflict, "report_id").into()),
    };
    count_outcomes(state, u64::from(!duplicate), u64::from(duplicate));
    let batch = BatchCount {
        step_hash: step.hash(),
        service,
        step,
        day,
        count,
    };
    let known_issue = state
        .store
        .known_issue(&key.workspace, &batch.service, &batch.step);
    Ok(HttpResponse::Accepted().json(Accepted {
        report_id,
        duplicate,
        batch,
        known_issue,
    }))
}

/// Store many reports
///
/// One JSON object per line, a thousand at most. A line that is refused does not harm its neighbours. The answer comes after a durable
/// commit.
#[utoipa::path(
    post, path = "/drift/reports", tag = "ingest",
    request_body(content = String, content_type = "application/x-ndjson", description = "Reports, one a line"),
    responses(
        (status = 200, description = "Every line was looked at", body = AcceptedLines),
        (status = 400, description = "`malformed_encoding`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`, `too_many_lines`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`, `unsupported_encoding`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`; see Retry-After", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is known to be stored; send all again", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["ingest"])),
)]
pub(super) async fn create_many(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    create_lines(&state, &request, payload)
        .await
        .inspect_err(|error| state.telemetry.metrics.refused(error.refusal.code))
}

async fn create_lines(
    state: &State,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let key = state.authorise(request, &[Scope::Ingest]).await?;
    let media_types = &[
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
    ];
    let accepts = Accepts {
        media_types,
        limit: REPORTS_BYTES,
        gzip: true,
        deadline: state.body_deadline,
    };
    let body = accepts.read(request, payload).await?;

    let lines = || {
        body.split(|byte| *byte == b'\n')
            .enumerate()
            .filter(|(_, line)| !line.trim_ascii().is_empty())
    };
    let number = lines().count();
    if number > REPORTS_LINES {
        return Err(Code::TooManyLines.into());
    }
    spend(&key, u32::try_from(number).unwrap_or(u32::MAX))?;

    let mut rejected = Vec::new();
    let mut numbers = Vec::with_capacity(number);
    let mut reports: Vec<Incoming> = Vec::with_capacity(number);
    for (index, line) in lines() {
        let at = index as u64 + 1;
        match parse_line(line).and_then(|report| Ok(state.ingest.prepare(report, &key.id)?)) {
            Ok(report) => {
                numbers.push(at);
                reports.push(report);
            }
            Err(refusal) => rejected.push(reject(at, refusal)),
        }
    }

    let (mut accepted, mut duplicates) = (0, 0);
    if !reports.is_empty() {
        let answers = state.ingest.submit(key.workspace.clone(), reports).await?;
        // What could not be reached may be stored or not: only the whole body again can tell.
        if answers.contains(&Err(Code::Unavailable)) {
            return Err(Code::Unavailable.into());
        }
        for (at, answer) in numbers.into_iter().zip(answers) {
            match answer {
                Ok(Outcome::Accepted { .. }) => accepted += 1,
                Ok(Outcome::Duplicate { .. }) => duplicates += 1,
                Ok(Outcome::Conflict) => rejected.push(reject(
                    at,
                    Refusal::field(Code::ReportConflict, "report_id"),
                )),
                Err(code) => rejected.push(reject(at, code.into())),
            }
        }
    }
    count_outcomes(state, accepted, duplicates);
    rejected
        .iter()
        .for_each(|line| state.telemetry.metrics.refused(line.code));
    rejected.sort_by_key(|line| line.line);
    Ok(HttpResponse::Ok()
        .insert_header(ContentType::json())
        .json(AcceptedLines {
            accepted,
            duplicates,
            rejected,
        }))
}

fn parse_line(line: &[u8]) -> Result<Report, Refusal> {
    if line.len() > REPORT_BYTES {
        return Err(Code::BodyTooLarge.into());
    }
    Report::parse(line)
}

fn reject(line: u64, refusal: Refusal) -> RejectedLine {
    RejectedLine {
        line,
        code: refusal.code,
        field: refusal.field.map(str::to_owned),
    }
}

fn spend(key: &Key, reports: u32) -> Result<(), ApiError> {
    key.spend(reports)
        .map_err(|wait| ApiError::from(Code::RateLimited).retry_after(wait))
}

fn count_outcomes(state: &State, accepted: u64, duplicates: u64) {
    state.telemetry.metrics.accepted(accepted);
    state.telemetry.metrics.duplicate(duplicates);
}
