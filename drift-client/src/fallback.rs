//! What is kept of a tripwire, for whoever goes on from there: `AGENTKEYS_HOME/fallback/<token>.json`, 0600. It has the
//! whole address and the picture, and never leaves the machine.

use std::io;
use std::path::PathBuf;

use drift_schema::scraper::{Resource, Tripped};
use drift_schema::{Micros, Service};
use serde::Serialize;
use uuid::Uuid;

use crate::home::{self, Home};

#[derive(Debug, Clone, Serialize)]
pub struct Fallback<'a> {
    /// Of this file's form.
    pub version: u32,
    pub resume_token: Uuid,
    pub service: &'a Service,
    pub captured_at: Micros,
    pub state: &'a Tripped,
    /// What the scraper had made at the provider by then.
    pub resources: &'a [Resource],
}

impl Fallback<'_> {
    /// Writes the file and answers where it is. The token is a UUID, so its name cannot lead elsewhere.
    pub fn save(&self, home: &Home) -> io::Result<PathBuf> {
        let folder = home.fallback();
        home::private_folder(&folder)?;
        let path = folder.join(format!("{}.json", self.resume_token));
        home::write_private(&path, &serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}
