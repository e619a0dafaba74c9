//! One provisioning at a time: in this process and on this machine. The lock is the kernel's, so a holder that is killed
//! lets go of it.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::{Mutex, PoisonError};

use drift_schema::Service;

use crate::home::{self, Home};

/// The service that this process provisions. A file lock alone would let two tasks of one process in, if they shared
/// the open file.
static ACTIVE: Mutex<Option<Service>> = Mutex::new(None);

/// Held for as long as one provisioning runs.
#[derive(Debug)]
pub struct Guard {
    file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// The name is missing for a moment while the other one writes it.
    #[error("another provisioning is running")]
    InProgress { active: Option<Service> },
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Guard {
    pub fn take(home: &Home, service: &Service) -> Result<Self, NotNow> {
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

    #[test]
    fn the_second_one_learns_the_name_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let (a, b) = (Service::parse("a").unwrap(), Service::parse("b").unwrap());
        let guard = Guard::take(&home, &a).unwrap();
        let Err(NotNow::InProgress { active }) = Guard::take(&home, &b) else {
            panic!("two at once")
        };
        assert_eq!(active, Some(a.clone()));
        drop(guard);
        drop(Guard::take(&home, &b).unwrap());

        // Another process: only the file is shared.
        let other = home::open_private(&home.provision_lock()).unwrap();
        other.lock().unwrap();
        std::fs::write(home.provision_lock(), "a").unwrap();
        let Err(NotNow::InProgress { active }) = Guard::take(&home, &b) else {
            panic!("two at once")
        };
        assert_eq!(active, Some(a));
    }
}
