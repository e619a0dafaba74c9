//! `AGENTKEYS_HOME`: where everything of the client lies. Folders are 0700 and files 0600, whatever the umask says.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    pub fn credentials(&self) -> PathBuf {
        self.0.join("credentials")
    }

    pub fn fallback(&self) -> PathBuf {
        self.0.join("fallback")
    }

    pub fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    pub fn telemetry(&self) -> PathBuf {
        self.0.join("telemetry")
    }

    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    pub fn provision_lock(&self) -> PathBuf {
        self.0.join("provision.lock")
    }

    /// Services of the user's own, beside the built-in ones.
    pub fn services(&self) -> PathBuf {
        self.0.join("services.toml")
    }
}

/// Makes a folder for the owner alone, with its parents. One that is there and open to others is closed.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mode = folder.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A file for the owner alone, to be read, written and locked. Made when missing, never cut.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Opens a file to which whole lines are appended. One that is there and open to others is closed.
pub fn append_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Writes a file as a whole or not at all: a reader, a crash or a full disk never leaves half of it.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let written = write_new(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, path));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&unfinished);
        return Err(error);
    }
    // The name is as durable as the bytes.
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// None when there is no such file.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folders_and_files_are_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::create_dir(&deep).unwrap();
        std::fs::set_permissions(&deep, Permissions::from_mode(0o755)).unwrap();
        private_folder(&deep).unwrap();
        assert_eq!(mode(&deep), 0o700);

        let file = deep.join("x.json");
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        write_private(&file, b"new").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert_eq!(read_if_there(&file).unwrap().unwrap(), b"new");
        // Nothing unfinished stays behind.
        assert_eq!(std::fs::read_dir(&deep).unwrap().count(), 1);
        assert!(read_if_there(&deep.join("y")).unwrap().is_none());
    }
}
