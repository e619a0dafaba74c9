//! What a run leaves for a later one, in files that only their owner can read: where a tripped flow can go on, and what a
//! clean-up has to remove. They hold cookies and passwords, so they are as short-lived as their purpose allows.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use drift_schema::words::{ResourceKind, Service, Step};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::session::Session;

/// A page that nobody came back to within a day has logged us out.
const RESUMABLE_FOR: Duration = Duration::from_secs(24 * 3600);

/// Something that a run made at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    pub kind: ResourceKind,
    pub id: String,
}

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
    /// Unix time: mails since then are ours.
    pub mails_since: i64,
    /// The tab, where the browser is not ours and still has it open.
    pub target: Option<String>,
}

/// What a run made, for the clean-up.
#[derive(Serialize, Deserialize)]
pub struct Made {
    pub service: Service,
    pub resources: Vec<Resource>,
    pub values: BTreeMap<String, String>,
    pub session: Session,
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

    /// A token is good once.
    pub fn resume(&self, token: Uuid) -> anyhow::Result<Paused> {
        let file = self.0.join("paused").join(format!("{token}.json"));
        forget_old(&self.0.join("paused"));
        if !file.exists() {
            bail!(
                "nothing is kept under this token: it was used already, is older than {} hours, or belongs to another user",
                RESUMABLE_FOR.as_secs() / 3600
            );
        }
        let paused = read(&file)?;
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        Ok(paused)
    }

    pub fn remember(&self, made: &Made) -> anyhow::Result<()> {
        let folder = self.0.join("made").join(made.service.as_str());
        write(&folder, &format!("{}.json", Uuid::now_v7()), made)
    }

    /// What earlier runs made of a service, the oldest first.
    pub fn made(&self, service: &Service) -> anyhow::Result<Vec<(PathBuf, Made)>> {
        let folder = self.0.join("made").join(service.as_str());
        let mut files: Vec<PathBuf> = match fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => Vec::new(),
        };
        files.sort_unstable();
        let read = files.into_iter().map(|file| {
            let made = read(&file)?;
            Ok((file, made))
        });
        read.collect()
    }

    /// Keeps what could not be removed, or nothing.
    pub fn settle(&self, file: &Path, left: &Made) -> anyhow::Result<()> {
        if left.resources.is_empty() {
            return fs::remove_file(file)
                .with_context(|| format!("cannot remove {}", file.display()));
        }
        let name = file.file_name().and_then(|name| name.to_str());
        let folder = file.parent().context("a file has a folder")?;
        write(folder, name.context("a name of ours")?, left)
    }
}

fn write(folder: &Path, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
    let context = || format!("cannot write to {}", folder.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(context)?;
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
