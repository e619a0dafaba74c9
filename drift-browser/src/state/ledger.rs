//! What one run made at the provider, in a file that is there as soon as anything was made: a run that is killed leaves it
//! to the clean-up, too. Whoever works with it holds its lock, which the system takes back from a process that ends.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use drift_schema::words::{ResourceKind, Service};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Folder, folder_of_ours, read, write};
use crate::session::Session;

/// Something that a run made at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    pub kind: ResourceKind,
    pub id: String,
}

/// What a run made, for the clean-up.
#[derive(Serialize, Deserialize)]
pub struct Made {
    pub service: Service,
    pub resources: Vec<Resource>,
    pub values: std::collections::BTreeMap<String, String>,
    pub session: Session,
}

pub struct Ledger {
    folder: PathBuf,
    id: Uuid,
    /// From the first word in it on.
    lock: Option<File>,
}

impl Folder {
    /// Of a run that begins, or goes on with what an earlier one made.
    pub fn ledger(&self, service: &Service, earlier: Option<Uuid>) -> Ledger {
        Ledger {
            folder: self.made_of(service),
            id: earlier.unwrap_or_else(Uuid::now_v7),
            lock: None,
        }
    }

    /// Those of earlier runs of a service, the oldest first.
    pub fn ledgers(&self, service: &Service) -> Vec<Ledger> {
        let folder = self.made_of(service);
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut ids: Vec<Uuid> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                // Drafts and locks have a dot before their names.
                Uuid::parse_str(name.strip_suffix(".json")?).ok()
            })
            .collect();
        ids.sort_unstable();
        ids.into_iter()
            .map(|id| self.ledger(service, Some(id)))
            .collect()
    }

    fn made_of(&self, service: &Service) -> PathBuf {
        self.0.join("made").join(service.as_str())
    }
}

impl Ledger {
    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn exists(&self) -> bool {
        self.file().exists()
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join(self.name())
    }

    fn name(&self) -> String {
        format!("{}.json", self.id)
    }

    fn lock_file(&self) -> PathBuf {
        self.folder.join(format!(".{}.lock", self.id))
    }

    /// Whether it is ours now; a run that goes on, or another clean-up, may have it.
    pub fn take(&mut self) -> anyhow::Result<bool> {
        if self.lock.is_some() {
            return Ok(true);
        }
        folder_of_ours(&self.folder)?;
        let path = self.lock_file();
        let context = || format!("cannot lock {}", path.display());
        let lock = File::create(&path).with_context(context)?;
        match lock.try_lock() {
            Ok(()) => {
                self.lock = Some(lock);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error).with_context(context),
        }
    }

    pub fn read(&self) -> anyhow::Result<Made> {
        read(&self.file())
    }

    pub fn note(&mut self, made: &Made) -> anyhow::Result<()> {
        self.take()?;
        write(&self.folder, &self.name(), made)
    }

    /// Keeps what could not be removed, or nothing.
    pub fn settle(&mut self, left: &Made) -> anyhow::Result<()> {
        if !left.resources.is_empty() {
            return self.note(left);
        }
        remove(&self.file())?;
        self.forget()
    }

    /// Where nothing is written any more, no lock is left either.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        remove(&self.lock_file())
    }
}

fn remove(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(ids: &[&str]) -> Made {
        let resource = |id: &&str| Resource {
            kind: ResourceKind::parse("account").unwrap(),
            id: (*id).to_owned(),
        };
        Made {
            service: Service::parse("acme").unwrap(),
            resources: ids.iter().map(resource).collect(),
            values: Default::default(),
            session: Session::default(),
        }
    }

    #[test]
    fn what_a_run_made_is_there_until_it_is_removed_and_only_one_removes_it() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::at(state.path().to_owned());
        let service = Service::parse("acme").unwrap();
        let mut running = folder.ledger(&service, None);
        running.note(&made(&["alice"])).unwrap();
        // Half a file of a run that was killed while it wrote, and one that is damaged.
        let beside = running.file().with_file_name(".0199.json");
        std::fs::write(beside, "{").unwrap();

        let mut cleaning = folder.ledgers(&service);
        assert_eq!(cleaning.len(), 1);
        assert!(!cleaning[0].take().unwrap(), "the run is still going on");
        drop(running);
        assert!(cleaning[0].take().unwrap());
        assert!(!folder.ledgers(&service)[0].take().unwrap(), "twice");
        assert_eq!(cleaning[0].read().unwrap().resources.len(), 1);
        cleaning[0].settle(&made(&[])).unwrap();
        cleaning[0].settle(&made(&[])).unwrap();
        assert!(folder.ledgers(&service).is_empty());
        assert!(!cleaning[0].exists());
    }
}
