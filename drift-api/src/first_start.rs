//! The first start of the embedded default: a store that nobody has a key of is of no use, so two are made, shown, and
//! left in a file that only the owner can read.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use drift_schema::{Micros, Scope, Workspace};
use secrecy::ExposeSecret as _;

use crate::config::Settings;
use crate::keys::Fresh;
use crate::store::{KeyRow, NewKey, Store, StoreError};

/// Does nothing on Postgres, where keys are made by command, and nothing where somebody ever got a key that may do everything:
/// whoever made another one before the first start still gets these.
pub(crate) async fn introduce(
    settings: &Settings,
    address: SocketAddr,
    store: &Store,
) -> Result<(), StoreError> {
    let Some(path) = settings.credentials_file() else {
        return Ok(());
    };
    let is_admin = |key: &KeyRow| key.scopes.contains(&Scope::Admin);
    if store.keys().await?.iter().any(is_admin) {
        return Ok(());
    }
    let refused = |error: anyhow::Error| StoreError::Refused(format!("{error:#}"));
    let (ingest, admin) = (
        Fresh::draw().map_err(refused)?,
        Fresh::draw().map_err(refused)?,
    );
    let text = credentials(settings, address, &ingest, &admin).map_err(refused)?;
    let keys = vec![
        new_key(&ingest, "first ingest key", Scope::Ingest),
        new_key(&admin, "first admin key", Scope::Admin),
    ];
    let keep = || {
        write_for_owner(&path, &text).map_err(|error| {
            StoreError::Refused(format!("cannot write {}: {error}", path.display()))
        })
    };
    let workspace = Workspace::default_one();
    let ours = store
        .create_first_keys(&workspace, keys, Micros::now(), keep)
        .await?;
    if ours {
        show(&path, &text);
    }
    Ok(())
}

/// What a client and a maintainer need, ready to be pasted.
fn credentials(
    settings: &Settings,
    address: SocketAddr,
    ingest: &Fresh,
    admin: &Fresh,
) -> anyhow::Result<String> {
    let mut dsn = settings.public_url_at(address)?;
    dsn.set_username(ingest.key.expose_secret())
        .map_err(|()| anyhow::anyhow!("the public URL cannot carry a key"))?;
    Ok(format!(
        "DRIFT_DSN={dsn}\nDRIFT_ADMIN_KEY={}\n",
        admin.key.expose_secret()
    ))
}

fn new_key(fresh: &Fresh, name: &str, scope: Scope) -> NewKey {
    NewKey {
        id: fresh.id.clone(),
        name: name.to_owned(),
        scopes: vec![scope],
        hash: fresh.hash.clone(),
        rate: None,
        by: None,
    }
}

/// On standard output: these lines are for whoever started the server, not for the log.
fn show(path: &Path, text: &str) {
    let shown = format!(
        "This is the first start. Clients report with the DSN; the admin key may do everything.\nBoth are in {}, for you alone.\n\n{text}\n",
        path.display()
    );
    // Nobody may be listening. The file has them.
    let _ = std::io::stdout().write_all(shown.as_bytes());
}

fn write_for_owner(path: &Path, text: &str) -> std::io::Result<()> {
    // An older file keeps its mode when opened; it goes first.
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
