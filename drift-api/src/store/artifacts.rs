//! What evidence there is. The bytes are elsewhere (`crate::artifacts`).

use drift_schema::event::ArtifactStored;
use drift_schema::{Digest, Event, Micros, Workspace};

use super::{Result, Store};

const ARTIFACT: &str = "SELECT media_type FROM artifacts WHERE workspace = $1 AND sha256 = $2";
const YOUNG_ARTIFACT: &str =
    "SELECT 1 FROM artifacts WHERE workspace = $1 AND sha256 = $2 AND stored_at > $3";
const BYTES: &str =
    "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM artifacts WHERE workspace = $1";
const NEW_SECRET: &str =
    "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
const SECRET: &str = "SELECT value FROM secrets WHERE name = $1";

impl Store {
    /// The media type of an artifact that is kept.
    pub async fn artifact(&self, workspace: &Workspace, name: &Digest) -> Result<Option<String>> {
        let params = [workspace.as_str().into(), name.as_str().into()];
        let row = self.db.row(ARTIFACT, params).await?;
        Ok(row.map(|row| row.get(0)).transpose()?)
    }

    /// Bytes of all artifacts of a workspace.
    pub async fn artifact_bytes(&self, workspace: &Workspace) -> Result<u64> {
        let row = self.db.row(BYTES, [workspace.as_str().into()]).await?;
        let bytes: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        Ok(bytes.unsigned_abs())
    }

    /// Notes that an artifact is kept, unless it was before. After a day it is noted again: what somebody just brought is not old.
    pub async fn note_artifact(
        &self,
        workspace: &Workspace,
        stored: ArtifactStored,
        now: Micros,
    ) -> Result<()> {
        let mut session = self.db.write().await?;
        let mut head = session.lock_head(workspace).await?;
        let params = [
            workspace.as_str().into(),
            stored.sha256.as_str().into(),
            now.minus_seconds(86_400).0.into(),
        ];
        if session.row(YOUNG_ARTIFACT, params).await?.is_none() {
            session
                .append(workspace, &mut head, Event::ArtifactStored(stored), now)
                .await?;
        }
        Ok(session.commit().await?)
    }

    /// A secret that all processes on this database share: the one that is there, or else this one from now on.
    pub async fn shared_secret(&self, name: &str, or_else: Vec<u8>) -> Result<Vec<u8>> {
        let mut session = self.db.write().await?;
        session
            .run(NEW_SECRET, [name.into(), or_else.into()])
            .await?;
        let row = session.row(SECRET, [name.into()]).await?;
        let value = row.ok_or(sqlx::Error::RowNotFound)?.get(0)?;
        session.commit().await?;
        Ok(value)
    }
}
