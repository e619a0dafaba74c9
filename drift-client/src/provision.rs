//! One provisioning, from the question to the stored key, in the order in which things may go wrong: audit, lock, the
//! key that is there already, the scraper, the live service, the store.

mod code;
mod keys;
mod summary;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use drift_schema::scraper::{Failure, Line, Tripped};
use drift_schema::{Micros, Service};
use uuid::Uuid;

use crate::audit::{Audit, Entry, Event};
use crate::config::Settings;
use crate::fallback::Fallback;
use crate::guard::{Guard, NotNow};
use crate::mask::Mask;
use crate::metrics::{Measurement, Metrics};
use crate::scraper::{Broken, Outcome, Run, Scraper, Supervisor};
use crate::scrapers::{Entry as ScraperEntry, Scrapers};
use crate::services::{ServiceEntry, Services};
use crate::store::{CredentialStore, FileStore};
use crate::telemetry::{Filed, Finding, Telemetry, host_of, patience};
use crate::verify::Verification;
pub use code::Code;
pub use summary::{Ending, Failed, NeedsFallback, Summary};

/// What the caller is told while it waits.
pub enum Stage<'a> {
    /// A key is there already; the service is asked about it.
    Checking,
    /// The scraper has said something.
    Scraping(&'a Line),
    /// The service is asked about the new key.
    Verifying,
}

/// Characters that a scraper may take to explain why it gave up.
const MOST_DETAILS: usize = 2_000;

pub struct Provisioner {
    settings: Settings,
    store: Box<dyn CredentialStore>,
    telemetry: Telemetry,
    audit: Audit,
    metrics: Metrics,
    supervisor: Supervisor,
}

/// What one attempt leaves behind for the metrics, beside its ending.
#[derive(Default)]
struct Trace {
    notes: Vec<String>,
    tier_used: Option<&'static str>,
    verification: Option<Verification>,
}

impl Provisioner {
    /// `supervisor` is a program whose `main` begins with `supervise_if_asked`, and which has the command `telemetry
    /// deliver`: `agentkeys` itself.
    pub fn new(settings: Settings, supervisor: Supervisor) -> Self {
        Self {
            store: Box::new(FileStore::new(&settings.home)),
            telemetry: Telemetry::new(&settings, supervisor.program()),
            audit: Audit::new(&settings.home),
            metrics: Metrics::new(&settings.home),
            settings,
            supervisor,
        }
    }

    /// With keys kept elsewhere than in files.
    pub fn with_store(mut self, store: Box<dyn CredentialStore>) -> Self {
        self.store = store;
        self
    }

    /// Never fails in another way than by its answer. When `stop` is done first, the scraper is ended; but a key that
    /// it has made by then is verified and kept, since nobody would ever find it again.
    pub async fn provision(
        &self,
        service: &Service,
        force: bool,
        on_stage: impl FnMut(Stage<'_>),
        stop: impl Future<Output = ()>,
    ) -> Summary {
        let started = Instant::now();
        let attempt = Uuid::now_v7();
        let mut trace = Trace::default();
        trace.notes.extend(self.telemetry.problem());
        let begun = Event::Started {
            force,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        // Nothing is done that could not be written down first.
        let ending = match self.audit(attempt, service, begun) {
            Err(error) => Ending::failed(
                Code::AuditFailed,
                format!("the audit under {} cannot be written: {error}", self.home()),
            ),
            Ok(()) => {
                let key_made = AtomicBool::new(false);
                let attempt =
                    self.attempt(attempt, service, force, on_stage, &key_made, &mut trace);
                let mut attempt = pin!(attempt);
                tokio::select! {
                    ending = &mut attempt => ending,
                    () = stop => match key_made.load(Ordering::Relaxed) {
                        true => attempt.await,
                        false => Ending::failed(Code::Interrupted, "it was told to stop"),
                    },
                }
            }
        };
        let duration = started.elapsed();
        self.conclude(attempt, service, ending, trace, duration)
    }

    fn conclude(
        &self,
        attempt: Uuid,
        service: &Service,
        ending: Ending,
        mut trace: Trace,
        duration: Duration,
    ) -> Summary {
        let audited =
            !matches!(&ending, Ending::Failed(failed) if failed.code == Code::AuditFailed);
        let finished = Event::Finished {
            outcome: ending.name().to_owned(),
            code: ending.code().map(|code| code.as_str().to_owned()),
            key: ending.key().map(str::to_owned),
            duration_seconds: duration.as_secs_f64(),
        };
        if audited && let Err(error) = self.audit(attempt, service, finished) {
            let note = format!("the end could not be written to the audit: {error}");
            trace.notes.push(note);
        }
        let measurement = Measurement::Provision {
            at: Micros::now(),
            service: service.clone(),
            tier_used: trace.tier_used.unwrap_or("none").to_owned(),
            duration_seconds: duration.as_secs_f64(),
            trip_wire_fired: matches!(ending, Ending::NeedsFallback(_)),
            verification_result: trace.verification.map(|v| v.as_str().to_owned()),
            outcome: ending.name().to_owned(),
        };
        self.metrics.write(&measurement);
        if self.settings.otlp.is_some()
            && let Ok(json) = serde_json::to_string(&measurement)
        {
            self.telemetry.export(&json);
        }
        Summary::new(service, ending, duration, trace.notes)
    }

    async fn attempt(
        &self,
        attempt: Uuid,
        service: &Service,
        force: bool,
        mut on_stage: impl FnMut(Stage<'_>),
        key_made: &AtomicBool,
        trace: &mut Trace,
    ) -> Ending {
        let (entry, scraper, known) = match self.configured(service) {
            Ok(configured) => configured,
            Err((code, why)) => return Ending::failed(code, why),
        };
        let _guard = match Guard::take(&self.settings.home, service).await {
            Ok(guard) => guard,
            Err(NotNow::InProgress { active }) => return Ending::in_progress(active),
            Err(NotNow::Io(error)) => {
                let why = format!("cannot lock {}: {error}", self.home());
                return Ending::failed(Code::HomeUnusable, why);
            }
        };
        self.telemetry.send_waiting();
        if !force {
            let existing = self.existing(service, &known, &mut on_stage, trace).await;
            if let Some(ending) = existing {
                return ending;
            }
        }
        // An account that is made for a key which cannot be kept is an account burnt.
        if let Err(error) = self.store.check() {
            return Ending::failed(Code::StoreFailed, error.to_string());
        }
        trace.tier_used = Some("scraper");
        let on_line = |line: &Line| match line {
            Line::Success(_) => key_made.store(true, Ordering::Relaxed),
            Line::Progress(_) | Line::Resource(_) => on_stage(Stage::Scraping(line)),
            _ => {}
        };
        let run = scraper.run(on_line).await;
        let mask = scraper.mask();
        match run.outcome {
            Outcome::Success(ref key) => {
                on_stage(Stage::Verifying);
                self.keep(service, &known, key, trace).await
            }
            Outcome::Tripwire(ref tripped) => {
                self.fall_back(attempt, service, &entry, tripped, &run, trace)
                    .await
            }
            Outcome::Error(failure) => Ending::scraper_error(&failure_of(failure, &mask)),
            Outcome::Broken(broken) => broken_run(&broken, &run.stderr),
        }
    }

    /// The scraper of this service, ready to run, and how its keys are verified.
    fn configured(
        &self,
        service: &Service,
    ) -> Result<(ScraperEntry, Scraper, ServiceEntry), (Code, String)> {
        let wrong = |why: String| (Code::Configuration, why);
        let scrapers = Scrapers::read(&self.settings.scrapers)
            .map_err(|problems| wrong(problems.to_string()))?;
        let services =
            Services::read(&self.settings).map_err(|problems| wrong(problems.to_string()))?;
        let Some(entry) = scrapers.get(service) else {
            let why = format!(
                "{} has no table [scrapers.{service}]",
                self.settings.scrapers.display()
            );
            return Err((Code::ScraperNotConfigured, why));
        };
        let scraper = entry
            .scraper(&self.settings.environment, &self.supervisor)
            .map_err(wrong)?;
        // An account that is made for a key which cannot be verified is an account burnt, too.
        let Some(known) = services.get(service) else {
            let why = format!(
                "services.toml does not say how a key of {service} is verified; the scraper was not started"
            );
            return Err((Code::VerificationNotConfigured, why));
        };
        Ok((entry.clone(), scraper, known.clone()))
    }

    /// A tripwire: keeps what is needed to go on, tells those who agreed to be told, and answers calmly.
    async fn fall_back(
        &self,
        attempt: Uuid,
        service: &Service,
        entry: &ScraperEntry,
        tripped: &Tripped,
        run: &Run,
        trace: &mut Trace,
    ) -> Ending {
        let token = tripped.resume_token.unwrap_or_else(Uuid::new_v4);
        let now = Micros::now();
        let event = Event::Tripwire {
            kind: tripped.kind,
            step: tripped.step.clone(),
            token,
        };
        if let Err(error) = self.audit(attempt, service, event) {
            let note = format!("the tripwire could not be written to the audit: {error}");
            trace.notes.push(note);
        }
        let fallback = Fallback {
            version: 1,
            resume_token: token,
            service,
            captured_at: now,
            state: tripped,
            resources: &run.resources,
        };
        let file = match fallback.save(&self.settings.home) {
            Ok(path) => Some(path.display().to_string()),
            Err(error) => {
                let note = format!("the state of the page could not be kept: {error}");
                trace.notes.push(note);
                None
            }
        };
        self.metrics.write(&Measurement::TripWireFired {
            at: now,
            service: service.clone(),
            kind: tripped.kind,
            step: tripped.step.clone(),
            dom_digest: tripped.dom_digest.clone(),
            url_host: tripped.url.as_deref().and_then(host_of),
            has_screenshot: tripped.screenshot_b64.is_some(),
            tree_lines: tripped
                .tree
                .as_deref()
                .map_or(0, |tree| tree.lines().count()),
        });
        let finding = Finding::of(service, tripped, entry.version.as_ref());
        let filed: Filed = self.telemetry.file(&finding, patience(run.elapsed)).await;
        if let Some(note) = &filed.note
            && !trace.notes.contains(note)
        {
            trace.notes.push(note.clone());
        }
        Ending::NeedsFallback(NeedsFallback::new(token, tripped, file, filed))
    }

    fn audit(&self, attempt: Uuid, service: &Service, event: Event) -> std::io::Result<()> {
        self.audit.write(&Entry {
            at: Micros::now(),
            attempt,
            service: service.clone(),
            event,
        })
    }

    fn home(&self) -> std::path::Display<'_> {
        self.settings.home.folder().display()
    }
}

/// The scraper's words, fit to be shown.
fn failure_of(failure: Failure, mask: &Mask) -> Failure {
    Failure {
        // Cut after it was covered: half a secret is not known as one.
        details: failure.details.map(|details| {
            let details = mask.text(&details);
            match details.char_indices().nth(MOST_DETAILS) {
                Some((end, _)) => format!("{} …", &details[..end]),
                None => details,
            }
        }),
        ..failure
    }
}

/// What a scraper last said on standard error is the best hint at why it broke the protocol.
fn broken_run(broken: &Broken, stderr: &str) -> Ending {
    let mut ending = Ending::failed(
        Code::Scraper(broken.code()),
        format!("the scraper: {broken}"),
    );
    let lines: Vec<&str> = stderr.trim_end().lines().collect();
    if let (Ending::Failed(failed), false) = (&mut ending, lines.is_empty()) {
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        failed.stderr = Some(last);
    }
    ending
}
