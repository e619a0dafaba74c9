//! One provisioning at a time: in this process and on this machine. The lock is the kernel's, so a holder that is killed
//! lets go of it.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use drift_schema::Service;

use crate::home::{self, Home};

/// The service that this process provisions. A file lock alone would let two tasks of one process in, if they shared
/// the open file.
static ACTIVE: Mutex<Option<Service>> = Mutex::new(None);

/// How long the holder of the lock may take to write its name, or to let go after it has removed it.
const CHANGE: Duration = Duration::from_millis(250);

/// Held for as long as one provisioning runs.
#[derive(Debug)]
pub struct Guard {
    file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// The name is missing if the other one was stopped while it wrote it.
    #[error("another provisioning is running")]
    InProgress { active: Option<Service> },
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Guard {
    pub async fn take(home: &Home, service: &Service) -> Result<Self, NotNow> {
        let patience = Instant::now() + CHANGE;
        loop {
            match Self::try_take(home, service) {
                // The other one is only just beginning, or is done.
                Err(NotNow::InProgress { active: None }) if Instant::now() < patience => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                decided => return decided,
            }
        }
    }

    fn try_take(home: &Home, service: &Service) -> Result<Self, NotNow> {
        let mut active = ACTIVE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = active.as_ref() {
            let active = Some(active.clone());
            return Err(NotNow::InProgress { active });
        }
        home::private_folder(home.folder())?;
        let mut file = home::open_private(&home.provision_lock())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                let active = Service::parse(text.trim()).ok();
                return Err(NotNow::InProgress { active });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(service.as_str().as_bytes())?;
        *active = Some(service.clone());
        Ok(Self { file })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        *ACTIVE.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Closing the file lets go of the lock.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is active is known to the whole process, so these stories take turns.
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[tokio::test]
    async fn the_second_one_learns_the_name_of_the_first() {
        let _turn = TURN.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let (a, b) = (Service::parse("a").unwrap(), Service::parse("b").unwrap());
        let guard = Guard::take(&home, &a).await.unwrap();
        let Err(NotNow::InProgress { active }) = Guard::take(&home, &b).await else {
            panic!("two at once")
        };
        assert_eq!(active, Some(a.clone()));
        drop(guard);
        drop(Guard::take(&home, &b).await.unwrap());

        // Another process: only the file is shared.
        let other = home::open_private(&home.provision_lock()).unwrap();
        other.lock().unwrap();
        std::fs::write(home.provision_lock(), "a").unwrap();
        let Err(NotNow::InProgress { active }) = Guard::take(&home, &b).await else {
            panic!("two at once")
        };
        assert_eq!(active, Some(a));
    }

    #[tokio::test]
    async fn whoever_is_refused_learns_by_whom_also_in_the_moment_of_a_change() {
        let _turn = TURN.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let service = Service::parse("a").unwrap();
        drop(Guard::take(&home, &service).await.unwrap());
        // Another process, which takes and releases the lock as fast as it can.
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (path, told) = (home.provision_lock(), stop.clone());
        let other = std::thread::spawn(move || {
            while !told.load(std::sync::atomic::Ordering::Relaxed) {
                let mut file = home::open_private(&path).unwrap();
                file.lock().unwrap();
                file.write_all(b"b").unwrap();
                file.set_len(0).unwrap();
            }
        });
        for _ in 0..2_000 {
            if let Err(refused) = Guard::take(&home, &service).await {
                let NotNow::InProgress { active } = refused else {
                    panic!("{refused}")
                };
                assert_eq!(active.as_ref().map(Service::as_str), Some("b"));
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        other.join().unwrap();
    }
}
