//! What each event does to the tables beside the log. Runs in the transaction that appends, and again, unchanged,
//! when the tables are rebuilt or checked. What has a life is in `lifecycle`.

mod lifecycle;

pub(super) use lifecycle::ALL as ALL_SERVICES;

use drift_schema::event::{Erasure, KeyCreated, KeyRevoked, Residue};
use drift_schema::{Event, Recorded, Workspace};

use super::Result;
use super::session::Session;
use super::standing::Standings;
use super::tally::{Tallies, Tally};

const KEEP_RESIDUE: &str = "
    INSERT INTO batches (workspace, day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL)
    ON CONFLICT (workspace, day, service, step) DO UPDATE SET
        count = excluded.count, first_seen = excluded.first_seen, last_seen = excluded.last_seen,
        last_position = excluded.last_position, fresh = excluded.fresh, screenshot_ref = NULL";
const DROP_SERVICE: &str = "DELETE FROM batches WHERE workspace = $1 AND service = $2";
const DROP_DAYS: &str = "DELETE FROM batches WHERE workspace = $1 AND day < $2";
const ADD_KEY: &str = "
    INSERT INTO keys (workspace, key, name, scopes, hash, rate, created_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)";
/// The earlier moment wins: revoking at once cuts a rotation's overlap short, and never the other way round.
const REVOKE_KEY: &str = "
    UPDATE keys SET revoked_at = $3 WHERE workspace = $1 AND key = $2 AND (revoked_at IS NULL OR revoked_at > $3)";
const KEEP_ARTIFACT: &str = "
    INSERT INTO artifacts (workspace, sha256, media_type, size, stored_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (workspace, sha256) DO UPDATE SET stored_at = excluded.stored_at";
const DROP_ARTIFACT: &str = "DELETE FROM artifacts WHERE workspace = $1 AND sha256 = $2";

impl Session {
    pub(super) async fn project(
        &mut self,
        workspace: &Workspace,
        recorded: &Recorded,
    ) -> Result<()> {
        let Some(event) = &recorded.event else {
            // Erased. What it had done stands in the residue of the erasure, further on in the log.
            return Ok(());
        };
        let scope = workspace.as_str();
        match event {
            Event::ReportReceived(report) => {
                let news = self
                    .drift_of_todays_name(workspace, &report.service, &report.step)
                    .await?
                    .is_none_or(|drift| drift.concerns(&report.scraper_version));
                let tally = Tally::one(recorded.position, recorded.at, report, news);
                self.count_up(scope, &[tally]).await?;
            }
            Event::ReportsErased(erased) => {
                if let Erasure::Service { service } = &erased.reason {
                    self.run(DROP_SERVICE, [scope.into(), service.as_str().into()])
                        .await?;
                }
                for Residue {
                    service,
                    step,
                    day,
                    count,
                    first_seen,
                    last_seen,
                    last_position,
                    fresh,
                } in &erased.residue
                {
                    let params = [
                        scope.into(),
                        day.to_string().into(),
                        service.as_str().into(),
                        step.as_str().into(),
                        (*count).into(),
                        first_seen.0.into(),
                        last_seen.0.into(),
                        (*last_position).into(),
                        (*fresh).into(),
                    ];
                    self.run(KEEP_RESIDUE, params).await?;
                }
            }
            Event::BatchesExpired(expired) => {
                self.run(DROP_DAYS, [scope.into(), expired.before.to_string().into()])
                    .await?;
            }
            Event::KeyCreated(KeyCreated {
                key,
                name,
                scopes,
                hash,
                rate,
                by: _,
            }) => {
                let scopes = scopes
                    .iter()
                    .map(|scope| scope.as_str())
                    .collect::<Vec<_>>()
                    .join(" ");
                let params = [
                    scope.into(),
                    key.as_str().into(),
                    name.as_str().into(),
                    scopes.into(),
                    hash.as_str().into(),
                    rate.map(i64::from).into(),
                    recorded.at.0.into(),
                ];
                self.run(ADD_KEY, params).await?;
            }
            Event::KeyRevoked(KeyRevoked { key, at, by: _ }) => {
                self.run(REVOKE_KEY, [scope.into(), key.as_str().into(), at.0.into()])
                    .await?;
            }
            Event::ArtifactStored(stored) => {
                let params = [
                    scope.into(),
                    stored.sha256.as_str().into(),
                    stored.media_type.as_str().into(),
                    stored.size.cast_signed().into(),
                    recorded.at.0.into(),
                ];
                self.run(KEEP_ARTIFACT, params).await?;
            }
            Event::ArtifactsExpired(expired) => {
                for name in &expired.artifacts {
                    self.run(DROP_ARTIFACT, [scope.into(), name.as_str().into()])
                        .await?;
                }
            }
            Event::RunClaimed(_)
            | Event::RunExpired(_)
            | Event::RunFinished(_)
            | Event::StepPassed(_)
            | Event::ResourceLeft(_)
            | Event::DriftJudged(_)
            | Event::FixVerified(_)
            | Event::IssueRequested(_)
            | Event::IssueWritten(_)
            | Event::IssueChanged(_)
            | Event::ReplayAsked(_)
            | Event::ReplayDropped(_)
            | Event::DriftMuted(_)
            | Event::DriftUnmuted(_)
            | Event::FixDeclared(_)
            | Event::FixWithdrawn(_)
            | Event::StepRenamed(_)
            | Event::StepRenameUndone(_)
            | Event::ReplaysPaused(_)
            | Event::ReplaysResumed(_) => {
                self.project_lifecycle(workspace, recorded.position, recorded.at, event)
                    .await?;
            }
        }
        Ok(())
    }
}

/// Projects a stretch of the log, folding runs of reports into one statement each.
#[derive(Default)]
pub(super) struct Projector {
    reports: Tallies,
    standings: Standings,
}

impl Projector {
    /// Batches held in memory before they are written: bounds the memory of a rebuild.
    const MOST: usize = 20_000;

    /// For the middle of a log: the tables say what was before.
    pub(super) async fn of(session: &mut Session, workspace: &Workspace) -> Result<Self> {
        Ok(Self {
            reports: Tallies::default(),
            standings: session.standings(workspace).await?,
        })
    }

    pub(super) async fn feed(
        &mut self,
        session: &mut Session,
        workspace: &Workspace,
        recorded: Recorded,
    ) -> Result<()> {
        match recorded.event {
            Some(Event::ReportReceived(report)) => {
                let news = self.standings.is_news(&report);
                self.reports
                    .add(recorded.position, recorded.at, report, news);
                if self.reports.len() >= Self::MOST {
                    self.flush(session, workspace).await?;
                }
            }
            // Erased: nothing to do, and nothing to keep the order of.
            None => {}
            Some(ref event) => {
                self.flush(session, workspace).await?;
                session.project(workspace, &recorded).await?;
                if let Some((service, step)) = lifecycle::drift_of(event)
                    && let Some(drift) = session.drift(workspace, service, step).await?
                {
                    self.standings.set(service, step, drift);
                }
            }
        }
        Ok(())
    }

    pub(super) async fn flush(
        &mut self,
        session: &mut Session,
        workspace: &Workspace,
    ) -> Result<()> {
        let tallies = self.reports.all();
        if !tallies.is_empty() {
            session.count_up(workspace.as_str(), &tallies).await?;
        }
        self.reports.clear();
        Ok(())
    }
}
