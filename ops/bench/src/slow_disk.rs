//! A disk whose every sync takes 2 ms longer: a C library that is put before libc in the process that syncs.
//! A file switches the delay, so that the same process is measured with and without it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

const SOURCE: &str = include_str!("../fsync_delay.c");

pub struct SlowDisk {
    directory: TempDir,
}

impl SlowDisk {
    pub fn build(directory: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("slow-disk-")
            .tempdir_in(directory)?;
        // Postgres runs as another user and has to get in.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
        let it = Self { directory };
        let source = it.directory.path().join("fsync_delay.c");
        std::fs::write(&source, SOURCE)?;
        let output = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(it.library())
            .arg(format!("-DDELAY_FLAG=\"{}\"", it.flag().display()))
            .arg(&source)
            .arg("-ldl")
            .output()
            .context("cannot run cc")?;
        if !output.status.success() {
            bail!(
                "fsync_delay.c does not compile: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(it)
    }

    pub fn library(&self) -> PathBuf {
        self.directory.path().join("fsync_delay.so")
    }

    pub fn slow_down(&self) -> Result<()> {
        Ok(std::fs::write(self.flag(), "")?)
    }

    pub fn speed_up(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.flag())?)
    }

    fn flag(&self) -> PathBuf {
        self.directory.path().join("slow")
    }
}
