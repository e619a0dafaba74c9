//! What a run leaves for a later one, in files that only their owner can read: where a tripped flow can go on, and what a
//! clean-up has to remove (`ledger`). They hold cookies and passwords, so they are as short-lived as their purpose allows.

mod ledger;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use drift_schema::words::{Service, Step};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::session::Session;
pub use ledger::{Ledger, Made, Resource};

/// A page that nobody came back to within a day has logged us out.
const RESUMABLE_FOR: Duration = Duration::from_secs(24 * 3600);

/// Where a flow stopped, and all it takes to go on.
#[derive(Serialize, Deserialize)]
pub struct Paused {
    pub service: Service,
    pub step: Step,
    /// Where the page was when the step began.
    pub url: String,
    pub values: BTreeMap<String, String>,
    pub session: Session,
    pub resources: Vec<Resource>,
    /// Where what it made is written down, if it made anything.
    #[serde(default)]
    pub made: Option<Uuid>,
    /// Unix time: mails since then are ours.
    pub mails_since: i64,
    /// The tab, where the browser is not ours and still has it open.
    pub target: Option<String>,
}

pub struct Folder(PathBuf);

impl Folder {
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn pause(&self, paused: &Paused) -> anyhow::Result<Uuid> {
        let token = Uuid::new_v4();
        let folder = self.0.join("paused");
        forget_old(&folder);
        write(&folder, &format!("{token}.json"), paused)?;
        Ok(token)
    }

    /// What a token stands for. It stays good until it is taken.
    pub fn paused(&self, token: Uuid) -> anyhow::Result<Paused> {
        forget_old(&self.0.join("paused"));
        let file = self.paused_file(token);
        if !file.exists() {
            return Err(unknown_token());
        }
        read(&file)
    }

    /// A token is good once: of two that take it at the same time, one is refused.
    pub fn take(&self, token: Uuid) -> anyhow::Result<()> {
        fs::remove_file(self.paused_file(token)).map_err(|_| unknown_token())
    }

    fn paused_file(&self, token: Uuid) -> PathBuf {
        self.0.join("paused").join(format!("{token}.json"))
    }
}

fn unknown_token() -> anyhow::Error {
    anyhow!(
        "nothing is kept under this token: it was used already, is older than {} hours, or belongs to another user",
        RESUMABLE_FOR.as_secs() / 3600
    )
}

fn folder_of_ours(folder: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot write to {}", folder.display()))
}

fn write(folder: &Path, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
    let context = || format!("cannot write to {}", folder.display());
    folder_of_ours(folder)?;
    // Whole or not at all: beside it first, then in its place.
    let draft = folder.join(format!(".{name}"));
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&draft)
        .with_context(context)?;
    file.write_all(&serde_json::to_vec(value)?)
        .with_context(context)?;
    fs::rename(&draft, folder.join(name)).with_context(context)
}

fn read<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not a file of ours", file.display()))
}

fn forget_old(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let age = written.map(|written| SystemTime::now().duration_since(written));
        if matches!(age, Ok(Ok(age)) if age > RESUMABLE_FOR) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
