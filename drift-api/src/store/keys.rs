//! Keys: issued and revoked by events, so that the log says who could do what, and when.

use drift_schema::event::{KeyCreated, KeyRevoked};
use drift_schema::{Digest, Event, Micros, Scope, Workspace};

use super::{Result, Store, StoreError};

/// A key about to be issued.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub id: String,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub hash: Digest,
    pub rate: Option<u32>,
    /// None: somebody at the database itself.
    pub by: Option<String>,
}

/// A key as the table has it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KeyRow {
    pub id: String,
    pub workspace: Workspace,
    pub name: String,
    pub scopes: Vec<Scope>,
    #[serde(skip)]
    pub hash: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    pub created_at: Micros,
    pub revoked_at: Option<Micros>,
    /// To the minute or so.
    pub last_used_at: Option<Micros>,
}

const KEYS: &str = "
    SELECT keys.key, workspace, name, scopes, hash, rate, created_at, revoked_at, used_at
    FROM keys LEFT JOIN key_uses ON key_uses.key = keys.key ORDER BY created_at, keys.key";
const KEY: &str = "SELECT workspace, name, scopes, rate, revoked_at FROM keys WHERE key = $1";
const ANY_ADMIN: &str = "SELECT key FROM keys WHERE ' ' || scopes || ' ' LIKE '% admin %' LIMIT 1";
const USED: &str = "
    INSERT INTO key_uses (key, used_at) VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET used_at = excluded.used_at WHERE key_uses.used_at < excluded.used_at";

impl Store {
    pub async fn create_key(&self, workspace: &Workspace, new: NewKey, now: Micros) -> Result<()> {
        let mut session = self.db.write().await?;
        let mut head = session.lock_head(workspace).await?;
        session
            .append(workspace, &mut head, created(new), now)
            .await?;
        Ok(session.commit().await?)
    }

    /// Issues keys where nobody ever got one that may do everything, and says whether it did. `keep` runs before the commit, so that nobody's
    /// keys are in force and in no hand; of several processes that start at once only one comes that far.
    pub async fn create_first_keys(
        &self,
        workspace: &Workspace,
        new: Vec<NewKey>,
        now: Micros,
        keep: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        let mut session = self.db.write().await?;
        let mut head = session.lock_head(workspace).await?;
        if session.row(ANY_ADMIN, []).await?.is_some() {
            session.roll_back().await?;
            return Ok(false);
        }
        for key in new {
            session
                .append(workspace, &mut head, created(key), now)
                .await?;
        }
        keep()?;
        session.commit().await?;
        Ok(true)
    }

    /// Stops a key at a moment. Revoking one that is stopped already changes nothing, unless it is to stop earlier.
    pub async fn revoke_key(&self, id: &str, at: Micros, now: Micros) -> Result<()> {
        if self.stop_key(None, id, at, None, now).await? {
            Ok(())
        } else {
            Err(no_such(id))
        }
    }

    /// The same for somebody of a workspace, who sees no other's keys. False: there is no such key.
    pub async fn revoke_key_of(
        &self,
        workspace: &Workspace,
        id: &str,
        by: String,
        now: Micros,
    ) -> Result<bool> {
        self.stop_key(Some(workspace), id, now, Some(by), now).await
    }

    async fn stop_key(
        &self,
        only: Option<&Workspace>,
        id: &str,
        at: Micros,
        by: Option<String>,
        now: Micros,
    ) -> Result<bool> {
        let mut session = self.db.write().await?;
        let Some(row) = session.row(KEY, [id.into()]).await? else {
            return Ok(false);
        };
        let workspace: Workspace = row.word(0)?;
        if only.is_some_and(|only| *only != workspace) {
            return Ok(false);
        }
        if row
            .get::<Option<i64>>(4)?
            .is_some_and(|stopped| stopped <= at.0)
        {
            session.roll_back().await?;
            return Ok(true);
        }
        let mut head = session.lock_head(&workspace).await?;
        session
            .append(
                &workspace,
                &mut head,
                Event::KeyRevoked(KeyRevoked {
                    key: id.to_owned(),
                    at,
                    by,
                }),
                now,
            )
            .await?;
        session.commit().await?;
        Ok(true)
    }

    /// Issues a successor with the same rights and lets the old key stop at `until`.
    pub async fn rotate_key(
        &self,
        old: &str,
        id: String,
        hash: Digest,
        until: Micros,
        now: Micros,
    ) -> Result<Vec<Scope>> {
        let mut session = self.db.write().await?;
        let row = session
            .row(KEY, [old.into()])
            .await?
            .ok_or_else(|| no_such(old))?;
        if row
            .get::<Option<i64>>(4)?
            .is_some_and(|stopped| stopped <= now.0)
        {
            return Err(StoreError::Refused(format!(
                "key {old} is revoked; create a new one instead"
            )));
        }
        let workspace: Workspace = row.word(0)?;
        let scopes = scopes(&row.get::<String>(2)?)?;
        let new = NewKey {
            id,
            name: row.get(1)?,
            scopes: scopes.clone(),
            hash,
            rate: rate(row.get(3)?),
            by: None,
        };
        let mut head = session.lock_head(&workspace).await?;
        session
            .append(&workspace, &mut head, created(new), now)
            .await?;
        session
            .append(
                &workspace,
                &mut head,
                Event::KeyRevoked(KeyRevoked {
                    key: old.to_owned(),
                    at: until,
                    by: None,
                }),
                now,
            )
            .await?;
        session.commit().await?;
        Ok(scopes)
    }

    /// All keys of all workspaces, revoked ones included.
    pub async fn keys(&self) -> Result<Vec<KeyRow>> {
        let rows = self.db.rows(KEYS, []).await?;
        let read = |row: &super::session::Row| {
            Ok(KeyRow {
                id: row.get(0)?,
                workspace: row.word(1)?,
                name: row.get(2)?,
                scopes: scopes(&row.get::<String>(3)?)?,
                hash: row.word(4)?,
                rate: rate(row.get(5)?),
                created_at: Micros(row.get(6)?),
                revoked_at: row.get::<Option<i64>>(7)?.map(Micros),
                last_used_at: row.get::<Option<i64>>(8)?.map(Micros),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Notes when keys were last seen. Losing one of these notes harms nobody.
    pub async fn note_key_uses(&self, uses: &[(String, Micros)]) -> Result<()> {
        if uses.is_empty() {
            return Ok(());
        }
        let mut session = self.db.write().await?;
        for (key, at) in uses {
            session
                .run(USED, [key.as_str().into(), at.0.into()])
                .await?;
        }
        Ok(session.commit().await?)
    }
}

fn created(new: NewKey) -> Event {
    let NewKey {
        id,
        name,
        scopes,
        hash,
        rate,
        by,
    } = new;
    Event::KeyCreated(KeyCreated {
        key: id,
        name,
        scopes,
        hash,
        rate,
        by,
    })
}

fn no_such(id: &str) -> StoreError {
    StoreError::Refused(format!(
        "there is no key {id}; `drift-api key list` has them all"
    ))
}

fn rate(stored: Option<i64>) -> Option<u32> {
    stored.and_then(|rate| rate.try_into().ok())
}

fn scopes(stored: &str) -> Result<Vec<Scope>> {
    let parsed: Result<Vec<Scope>, _> = stored.split_whitespace().map(str::parse).collect();
    parsed.map_err(|error| StoreError::Statement(sqlx::Error::Decode(Box::new(error))))
}
