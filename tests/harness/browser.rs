//! A real Chromium for the stories that need one: one page at a time, from a text. A missing browser is a failure.

use std::path::PathBuf;

use drift_browser::capture::capture;
use drift_browser::chromium::{Chromium, Launch};
use drift_browser::page::Page;
use drift_schema::tree::{Capture, Digested, unmasked};

pub struct Browser {
    chromium: Chromium,
    page: Page,
    folder: tempfile::TempDir,
}

impl Browser {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().as_os_str().to_owned();
        let launch = Launch {
            environment: vec![
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".into()),
                ("HOME".to_owned(), home),
            ],
            ..Launch::default()
        };
        let chromium = launch.start().await.expect("Chromium starts");
        let page = chromium.first_page().await.unwrap();
        Self {
            chromium,
            page,
            folder,
        }
    }

    /// Shows a page and takes its trees.
    pub async fn capture(&self, html: &str) -> Capture {
        let file: PathBuf = self.folder.path().join("page.html");
        std::fs::write(&file, html).unwrap();
        self.page
            .load(&format!("file://{}", file.display()))
            .await
            .unwrap();
        capture(&self.page).await.unwrap()
    }

    pub async fn digest(&self, html: &str) -> Digested {
        Digested::of(&self.capture(html).await, &unmasked)
    }

    pub async fn close(self) {
        self.chromium.close().await.unwrap();
    }
}
