//! Evidence: pictures and trees, kept under the hash of their bytes, in a folder or a bucket. The log says what there
//! is; this only keeps the bytes. Links to them are signed in `link`.

pub(crate) mod link;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use drift_schema::{Digest, Workspace};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::store::Store;

/// Bytes of one artifact.
pub const MOST_BYTES: usize = 10 * 1024 * 1024;

/// Rows that are looked up together.
const SWEPT_AT_ONCE: usize = 500;

/// What was just brought may not be in the log yet.
const YOUNG: Duration = Duration::from_secs(3_600);

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[derive(Debug, Clone)]
pub struct Settings {
    pub place: Place,
    /// Bytes per workspace.
    pub quota: Option<u64>,
    pub signing_key: Option<SecretString>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Folder(PathBuf),
    Bucket { name: String, prefix: String },
}

impl Place {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(folder) = text.strip_prefix("file://") {
            return match folder {
                "" => Err("must name a folder, as in file://drift-data/artifacts"),
                folder => Ok(Self::Folder(folder.into())),
            };
        }
        let Some(rest) = text.strip_prefix("s3://") else {
            return Err("must begin with file:// or s3://");
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return Err("must name a bucket, as in s3://drift-evidence");
        }
        Ok(Self::Bucket {
            name: name.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

/// The kinds of bytes that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    Png,
    Json,
    Text,
}

impl MediaType {
    /// By the bytes alone: what a client says about them may be wrong, and a browser would believe it.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(PNG) {
            return Some(Self::Png);
        }
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| !text.is_empty())?;
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            return Some(Self::Json);
        }
        let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        text.chars().all(is_plain).then_some(Self::Text)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

pub(crate) fn name_of(bytes: &[u8]) -> Digest {
    let hex = hex::encode(Sha256::digest(bytes));
    // Hexadecimal of a SHA-256 is what a Digest is.
    Digest::parse(&hex).unwrap_or_else(|_| unreachable!("{hex}"))
}

/// Why bytes could not be kept or found. For the log: the sources name paths.
#[derive(Debug, thiserror::Error)]
#[error("the evidence cannot be reached")]
pub struct Unreachable(#[source] object_store::Error);

pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Artifacts {
    /// Makes the folder, and connects to nothing.
    pub fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(match place {
            Place::Folder(folder) => {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)?;
                Self {
                    store: Arc::new(LocalFileSystem::new_with_prefix(folder)?),
                    prefix: Path::default(),
                }
            }
            Place::Bucket { name, prefix } => Self {
                store: Arc::new(AmazonS3Builder::from_env().with_bucket_name(name).build()?),
                prefix: Path::parse(prefix)?,
            },
        })
    }

    /// Keeping the same bytes again is nothing new, except where they are old: no row may know them any more, and a sweep that
    /// is under way must not take them before one does.
    pub(crate) async fn keep(
        &self,
        workspace: &Workspace,
        name: &Digest,
        bytes: Bytes,
    ) -> Result<(), Unreachable> {
        let path = self.path(workspace, name);
        let put = async |mode: PutMode| {
            let options = PutOptions::from(mode);
            self.store
                .put_opts(&path, bytes.clone().into(), options)
                .await
        };
        let kept = match put(PutMode::Create).await {
            Err(object_store::Error::AlreadyExists { .. }) => {
                if self.is_older(&path, YOUNG / 2).await? {
                    put(PutMode::Overwrite).await
                } else {
                    return Ok(());
                }
            }
            kept => kept,
        };
        kept.map(drop).map_err(Unreachable)
    }

    /// Whether it was written longer ago than that, or is not there.
    async fn is_older(&self, path: &Path, than: Duration) -> Result<bool, Unreachable> {
        match self.store.head(path).await {
            Ok(object) => Ok(is_older(&object, than)),
            Err(object_store::Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(Unreachable(error)),
        }
    }

    /// None: the bytes are gone, whatever the log says.
    pub(crate) async fn find(
        &self,
        workspace: &Workspace,
        name: &Digest,
    ) -> Result<Option<Bytes>, Unreachable> {
        let found = match self.store.get(&self.path(workspace, name)).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match found {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Unreachable(error)),
        }
    }

    /// Removes the bytes of a workspace that no row knows, but for the young. How many files or objects that were.
    pub(crate) async fn sweep(&self, workspace: &Workspace, store: &Store) -> anyhow::Result<u64> {
        let folder = self.prefix.clone().join(workspace.as_str());
        let mut pages = self.store.list(Some(&folder)).try_chunks(SWEPT_AT_ONCE);
        let mut swept = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Unreachable(error.1))?;
            let old = page.into_iter().filter(|object| is_older(object, YOUNG));
            // What is not named by a hash is not ours.
            let names = old.filter_map(|object| Digest::parse(object.location.filename()?).ok());
            let names: Vec<Digest> = names.collect();
            let known = store.known_artifacts(workspace, names.clone()).await?;
            for name in names.iter().filter(|name| !known.contains(*name)) {
                let path = self.path(workspace, name);
                // Somebody may have brought it again since it was listed.
                if !self.is_older(&path, YOUNG).await? {
                    continue;
                }
                match self.store.delete(&path).await {
                    Ok(()) => swept += 1,
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(Unreachable(error).into()),
                }
            }
        }
        Ok(swept)
    }

    /// A folder for each workspace and each first byte of the hash.
    fn path(&self, workspace: &Workspace, name: &Digest) -> Path {
        let name = name.as_str();
        [workspace.as_str(), &name[..2], name]
            .into_iter()
            .fold(self.prefix.clone(), Path::join)
    }
}

fn is_older(object: &ObjectMeta, than: Duration) -> bool {
    let age = (Utc::now() - object.last_modified).to_std();
    age.is_ok_and(|age| age > than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_what_they_look_like_whatever_somebody_says() {
        let of = |bytes: &[u8]| MediaType::of(bytes);
        assert_eq!(of(b"\x89PNG\r\n\x1a\n..."), Some(MediaType::Png));
        assert_eq!(of(b"{\"v\": 1}"), Some(MediaType::Json));
        assert_eq!(
            of("- main:\n  - heading \u{2713}\n".as_bytes()),
            Some(MediaType::Text)
        );
        for other in [
            &b""[..],
            b"GIF89a\x01\x00",
            b"\xff\xd8\xff\xe0",
            b"%PDF-1.7\x00",
            b"text with \x00",
            b"\x1b[2J",
            b"\xc3\x28",
        ] {
            assert_eq!(of(other), None, "{other:?}");
        }
        // Markup is text, and served as that.
        assert_eq!(of(b"<script>alert(1)</script>"), Some(MediaType::Text));
    }

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        assert_eq!(
            Place::parse("file:///var/evidence").unwrap(),
            Place::Folder("/var/evidence".into())
        );
        assert_eq!(
            Place::parse("s3://evidence/drift/").unwrap(),
            Place::Bucket {
                name: "evidence".to_owned(),
                prefix: "drift".to_owned()
            }
        );
        for wrong in [
            "",
            "/var/evidence",
            "file://",
            "s3://",
            "s3:///x",
            "https://evidence",
        ] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }
}
