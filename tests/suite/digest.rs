//! The digest on a real browser: what must not move it, what must, and what it says about a page.

mod cases;

use cases::{CASES, Expect};
use drift_schema::tree::Digested;
use harness::browser::Browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_never_moves_the_digest_and_shape_always_does() {
    let browser = Browser::start().await;
    let mut wrong = Vec::new();
    let mut bases: Vec<(&str, Digested)> = Vec::new();
    for case in CASES {
        let base = match bases.iter().find(|(page, _)| *page == case.page) {
            Some((_, base)) => base.clone(),
            None => {
                let base = browser.digest(case.page).await;
                // The same page again is the same page.
                assert_eq!(browser.digest(case.page).await, base);
                bases.push((case.page, base.clone()));
                base
            }
        };
        let changed = browser.digest(&(case.change)(case.page)).await;
        let same = changed.record.shape_sha256 == base.record.shape_sha256;
        let same_skeleton = changed.record.skeleton_sha256 == base.record.skeleton_sha256;
        let held = match case.expect {
            Expect::Same => same && same_skeleton,
            Expect::Other => !same,
            Expect::OtherLabels => !same && same_skeleton,
        };
        if !held {
            wrong.push(format!(
                "{}: expected {:?}\n--- before\n{}\n--- after\n{}\n--- the page\n{}",
                case.name, case.expect, base.record.shape, changed.record.shape, changed.snapshot
            ));
        }
    }
    browser.close().await;
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n\n")
    );
}
