//! When runners were last heard of. An hour without work leaves no event, and a runner that is gone leaves none either:
//! the pages tell one from the other by this.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use drift_schema::{Micros, Workspace};

/// So often it is written down; a runner says something every few seconds while it works.
const NOTED_EVERY_SECONDS: i64 = 60;

#[derive(Default)]
pub(crate) struct Contacts(Mutex<HashMap<Workspace, Micros>>);

impl Contacts {
    /// Whether it is time to write it down again; whoever is told so does.
    pub(crate) fn is_news(&self, workspace: &Workspace, now: Micros) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = noted
            .get(workspace)
            .is_none_or(|last| last.plus_seconds(NOTED_EVERY_SECONDS) <= now || *last > now);
        if is_news {
            noted.insert(workspace.clone(), now);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_news_once_a_minute() {
        let contacts = Contacts::default();
        let (ours, theirs) = (
            Workspace::default_one(),
            Workspace::parse("theirs").unwrap(),
        );
        let now = Micros(1_790_000_000_000_000);
        assert!(contacts.is_news(&ours, now));
        assert!(!contacts.is_news(&ours, now.plus_seconds(59)));
        assert!(contacts.is_news(&theirs, now.plus_seconds(59)));
        assert!(contacts.is_news(&ours, now.plus_seconds(60)));
        // A clock that was set back is no reason for silence.
        assert!(contacts.is_news(&ours, now));
    }
}
