//! Where keys are kept. The default is one file per service, for the owner alone.

use std::io;
use std::path::PathBuf;

use drift_schema::scraper::ApiKey;
use drift_schema::{Micros, Service};
use serde::Serialize;

use crate::home::{self, Home};

/// What keeps keys. Others than files may be plugged in: a keyring, a vault.
pub trait CredentialStore: Send + Sync {
    fn load(&self, service: &Service) -> Result<Option<ApiKey>, StoreError>;
    fn save(&self, service: &Service, key: &ApiKey, now: Micros) -> Result<(), StoreError>;
    /// Where a person finds the key of this service.
    fn place(&self, service: &Service) -> String;
    /// Whether a key could be kept: asked before one is made.
    fn check(&self) -> Result<(), StoreError>;
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// Never with its content.
    #[error("{} is not a credential that agentkeys has written", path.display())]
    Damaged { path: PathBuf },
}

/// `credentials/<service>.json`, 0600 in a 0700 folder.
#[derive(Debug, Clone)]
pub struct FileStore(PathBuf);

impl FileStore {
    pub fn new(home: &Home) -> Self {
        Self(home.credentials())
    }

    fn path(&self, service: &Service) -> PathBuf {
        self.0.join(format!("{service}.json"))
    }
}

#[derive(Serialize)]
struct Stored<'a> {
    service: &'a Service,
    api_key: &'a ApiKey,
    stored_at: Micros,
}

impl CredentialStore for FileStore {
    fn load(&self, service: &Service) -> Result<Option<ApiKey>, StoreError> {
        let path = self.path(service);
        let bytes = match home::read_if_there(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => return Err(StoreError::Io { path, error }),
        };
        let json = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let key = json.and_then(|json| ApiKey::parse(json.get("api_key")?.as_str()?).ok());
        key.map(Some).ok_or(StoreError::Damaged { path })
    }

    fn save(&self, service: &Service, key: &ApiKey, now: Micros) -> Result<(), StoreError> {
        let path = self.path(service);
        let stored = Stored {
            service,
            api_key: key,
            stored_at: now,
        };
        let written = home::private_folder(&self.0)
            .and_then(|()| Ok(serde_json::to_vec_pretty(&stored)?))
            .and_then(|bytes| home::write_private(&path, &bytes));
        written.map_err(|error| StoreError::Io { path, error })
    }

    fn place(&self, service: &Service) -> String {
        self.path(service).display().to_string()
    }

    fn check(&self) -> Result<(), StoreError> {
        let path = self.0.clone();
        home::private_folder(&path).map_err(|error| StoreError::Io { path, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_a_damaged_file_says_so_without_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::new(&Home::at(folder.path()));
        let service = Service::parse("openai").unwrap();
        assert!(store.load(&service).unwrap().is_none());
        let key = ApiKey::parse("sk-0123456789abcdef").unwrap();
        store.save(&service, &key, Micros(0)).unwrap();
        let loaded = store.load(&service).unwrap().unwrap();
        assert_eq!(loaded.expose(), key.expose());

        std::fs::write(store.path(&service), "{\"api_key\": \"sk-01234567").unwrap();
        let told = store.load(&service).unwrap_err();
        assert!(!format!("{told} {told:?}").contains("sk-0"), "{told:?}");
    }
}
