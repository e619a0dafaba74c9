//! Sessions of people (`crate::session`) that ended before their time. All others are known by their seal alone.

use drift_schema::Micros;

use super::{Result, Store};

const END: &str = "
    INSERT INTO ended_sessions (session, until) VALUES ($1, $2) ON CONFLICT (session) DO NOTHING";
const IS_ENDED: &str = "SELECT 1 FROM ended_sessions WHERE session = $1";
const FORGET: &str = "DELETE FROM ended_sessions WHERE until < $1";

impl Store {
    /// Somebody signed out of a session that would have lasted `until` then.
    pub async fn end_session(&self, session: &str, until: Micros) -> Result<()> {
        let mut writing = self.db.write().await?;
        writing.run(END, [session.into(), until.0.into()]).await?;
        Ok(writing.commit().await?)
    }

    pub async fn is_ended_session(&self, session: &str) -> Result<bool> {
        let row = self.db.row(IS_ENDED, [session.into()]).await?;
        Ok(row.is_some())
    }

    /// Those that nobody could use any more.
    pub(super) async fn forget_sessions(&self, now: Micros) -> Result<()> {
        let mut session = self.db.write().await?;
        session.run(FORGET, [now.0.into()]).await?;
        Ok(session.commit().await?)
    }
}
