//! Reports that wait, one file each: `telemetry/queue/<report_id>.json` is the payload as it will be sent, byte for byte.
//! A file that is torn or was edited costs its own report and no other.
//!
//! Who sends a report locks its file first, so that two processes never send the same one at the same time. One that
//! was sent by a process that died before it could remove the file is sent again, under the same id: the backend
//! counts it once.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use drift_schema::{Micros, Report};
use uuid::Uuid;

use super::state::Dropped;
use crate::home::{self, Home};

/// Reports that may wait; the oldest give way.
pub const MOST: usize = 1_000;
/// Well under the thirty days for which the backend knows a report again.
pub const OLDEST: Duration = Duration::from_secs(14 * 24 * 3600);
/// Pictures that may wait; the oldest give way, their reports stay.
const MOST_PICTURES: usize = 20;
/// What the backend takes.
pub const PICTURE_BYTES: usize = 10 * 1024 * 1024;
/// Half-written files of a process that died are removed after this.
const LITTER: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
pub struct Queue(PathBuf);

/// A report that waits, as `status` and `show-payload` show it.
#[derive(Debug)]
pub struct Waiting {
    pub id: Uuid,
    pub payload: String,
}

/// Why a report is not for this process to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotOurs {
    /// Gone, or in the hands of another process.
    Theirs,
    /// Not a report. It has been removed.
    Damaged,
}

/// A report that this process alone may send, for as long as this value lives.
pub(super) struct Entry {
    pub(super) report: Report,
    pub(super) payload: Vec<u8>,
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

impl Queue {
    pub fn new(home: &Home) -> Self {
        Self(home.telemetry().join("queue"))
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    /// Adds a report and makes room for it. What had to go is answered, to be counted.
    pub fn push(
        &self,
        report: &Report,
        picture: Option<&[u8]>,
        now: Micros,
    ) -> io::Result<Dropped> {
        home::private_folder(&self.0)?;
        let id = report
            .report_id
            .ok_or_else(|| io::Error::other("a report without an id"))?;
        // The picture first: a report that names it can rely on it.
        if let Some(picture) = picture {
            home::write_private(&self.path(id).with_extension("png"), picture)?;
        }
        let payload = serde_json::to_vec(report)?;
        home::write_private(&self.path(id), &payload)?;
        Ok(self.make_room(now))
    }

    /// Ids of what waits, oldest first.
    pub fn ids(&self) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = self.names("json").collect();
        ids.sort_unstable();
        ids
    }

    pub fn is_empty(&self) -> bool {
        self.names("json").next().is_none()
    }

    /// What waits, to be looked at. Damaged files are left out.
    pub fn waiting(&self) -> Vec<Waiting> {
        let read = |id| {
            let payload = std::fs::read_to_string(self.path(id)).ok()?;
            Report::parse(payload.as_bytes()).ok()?;
            Some(Waiting { id, payload })
        };
        self.ids().into_iter().filter_map(read).collect()
    }

    fn names(&self, extension: &'static str) -> impl Iterator<Item = Uuid> + use<> {
        let files = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        files.filter_map(move |file| {
            let name = file.file_name();
            let (stem, end) = name.to_str()?.split_once('.')?;
            (end == extension)
                .then(|| Uuid::try_parse(stem).ok())
                .flatten()
        })
    }

    fn make_room(&self, now: Micros) -> Dropped {
        let mut dropped = Dropped::default();
        let mut ids = self.ids();
        // A clock that was set back makes nothing old; one that was set forward is believed.
        ids.retain(|id| {
            let too_old = age(*id, now).is_some_and(|age| age > OLDEST);
            if too_old {
                dropped.too_old += u64::from(self.remove(*id));
            }
            !too_old
        });
        let surplus = ids.len().saturating_sub(MOST);
        for id in ids.drain(..surplus) {
            dropped.queue_full += u64::from(self.remove(id));
        }
        let mut pictures: Vec<Uuid> = self.names("png").collect();
        pictures.sort_unstable();
        let surplus = pictures.len().saturating_sub(MOST_PICTURES);
        for id in pictures.drain(..surplus) {
            dropped.pictures += u64::from(self.remove_picture(id));
        }
        dropped
    }

    /// Whether it was this process that removed it.
    fn remove(&self, id: Uuid) -> bool {
        self.remove_picture(id);
        std::fs::remove_file(self.path(id)).is_ok()
    }

    fn remove_picture(&self, id: Uuid) -> bool {
        std::fs::remove_file(self.path(id).with_extension("png")).is_ok()
    }

    /// Takes a report into this process' hands.
    pub(super) fn claim(&self, id: Uuid) -> Result<Entry, NotOurs> {
        let path = self.path(id);
        let opened = File::options().read(true).write(true).open(&path);
        let Ok(mut file) = opened else {
            return Err(NotOurs::Theirs);
        };
        let locked = file.try_lock().is_ok();
        // Somebody may have sent and removed it between the opening and the lock.
        let there = file.metadata().is_ok_and(|meta| meta.nlink() > 0);
        if !locked || !there {
            return Err(NotOurs::Theirs);
        }
        let mut payload = Vec::new();
        let read = file.read_to_end(&mut payload).is_ok();
        match Report::parse(&payload) {
            Ok(report) if read && report.report_id == Some(id) => Ok(Entry {
                report,
                payload,
                path,
                file,
            }),
            _ => {
                self.remove(id);
                Err(NotOurs::Damaged)
            }
        }
    }

    /// Removes what processes that died have left half-written, and pictures without a report.
    pub(super) fn sweep(&self) {
        let files = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        for file in files {
            let path = file.path();
            let hidden = file.file_name().as_encoded_bytes().starts_with(b".");
            let alone = path.extension().is_some_and(|end| end == "png")
                && !path.with_extension("json").exists();
            let modified = file.metadata().and_then(|meta| meta.modified());
            let age = modified.map(|at| SystemTime::now().duration_since(at));
            let old = matches!(age, Ok(Ok(age)) if age > LITTER);
            if (hidden || alone) && old {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// How long ago the id was drawn; none for ids of the future.
fn age(id: Uuid, now: Micros) -> Option<Duration> {
    let (seconds, _) = id.get_timestamp()?.to_unix();
    let now = u64::try_from(now.0 / 1_000_000).ok()?;
    now.checked_sub(seconds).map(Duration::from_secs)
}

impl Entry {
    /// The screenshot that waits with it.
    pub(super) fn picture(&self) -> Option<Vec<u8>> {
        self.report.screenshot_ref.as_ref()?;
        std::fs::read(self.path.with_extension("png")).ok()
    }

    /// The backend has the picture: later attempts need not send it again.
    pub(super) fn picture_is_sent(&self) {
        let _ = std::fs::remove_file(self.path.with_extension("png"));
    }

    /// The report goes without it. In place, since the lock is on this very file.
    pub(super) fn give_up_picture(&mut self) -> io::Result<()> {
        self.report.screenshot_ref = None;
        self.payload = serde_json::to_vec(&self.report)?;
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(&self.payload)?;
        self.file.sync_all()?;
        self.picture_is_sent();
        Ok(())
    }

    /// It is done with, for better or worse.
    pub(super) fn remove(self) {
        self.picture_is_sent();
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
