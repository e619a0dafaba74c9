//! The first start of the embedded default: a store without keys is of no use to anybody, so two are made, shown, and
//! left in a file that only the owner can read.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use drift_schema::{Micros, Scope, Workspace};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::config::Settings;
use crate::keys::{Fresh, Keyring};
use crate::store::{NewKey, Store};

/// Does nothing on Postgres, where keys are made by command, and nothing where there are keys already.
pub(crate) async fn introduce(
    settings: &Settings,
    address: SocketAddr,
    store: &Store,
    keyring: &Keyring,
) -> anyhow::Result<()> {
    let Some(path) = settings.credentials_file() else {
        return Ok(());
    };
    if !store.keys().await?.is_empty() {
        return Ok(());
    }
    let ingest = create(store, "first ingest key", Scope::Ingest).await?;
    let admin = create(store, "first admin key", Scope::Admin).await?;
    keyring.refresh().await?;

    let mut dsn = match &settings.public_url {
        Some(url) => url.clone(),
        None => Url::parse(&format!("http://{address}/"))?,
    };
    dsn.set_username(ingest.key.expose_secret())
        .map_err(|()| anyhow::anyhow!("the public URL cannot carry a key"))?;
    let text = format!(
        "DRIFT_DSN={dsn}\nDRIFT_ADMIN_KEY={}\n",
        admin.key.expose_secret()
    );
    write_for_owner(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    let shown = format!(
        "This is the first start. Clients report with the DSN; the admin key may do everything.\nBoth are in {}, for you alone.\n\n{text}\n",
        path.display()
    );
    // Standard output: these lines are for whoever started the server, not for the log.
    std::io::stdout()
        .write_all(shown.as_bytes())
        .context("cannot show the first keys")
}

async fn create(store: &Store, name: &str, scope: Scope) -> anyhow::Result<Fresh> {
    let fresh = Fresh::draw()?;
    let new = NewKey {
        id: fresh.id.clone(),
        name: name.to_owned(),
        scopes: vec![scope],
        hash: fresh.hash.clone(),
        rate: None,
    };
    store
        .create_key(&Workspace::default_one(), new, Micros::now())
        .await?;
    Ok(fresh)
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
