use drift_schema::{Digest, Host, ScraperVersion, Service, Step, Tripwire, TripwireKind};
use tempfile::TempDir;

use super::*;

fn queue() -> (TempDir, Queue) {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(&Home::at(folder.path()));
    (folder, queue)
}

fn report_at(seconds: u64, number: u64) -> Report {
    let random = [0, 0, 0, 0, 0, 0, 0, 0, (number >> 8) as u8, number as u8];
    let id = uuid::Builder::from_unix_timestamp_millis(seconds * 1000, &random).into_uuid();
    Report {
        report_id: Some(id),
        service: Service::parse("openai").unwrap(),
        tripwire: Tripwire {
            kind: TripwireKind::Timeout,
            step: Step::parse("login").unwrap(),
        },
        dom_digest: Digest::parse(&"0".repeat(64)).unwrap(),
        url_host: Host::parse("a.example").unwrap(),
        scraper_version: ScraperVersion::parse("1.0.0").unwrap(),
        screenshot_ref: None,
    }
}

const NOW: u64 = 1_800_000_000;

fn now() -> Micros {
    Micros(NOW as i64 * 1_000_000)
}

fn push(queue: &Queue, report: &Report) -> Dropped {
    queue.push(report, None, now()).unwrap()
}

#[test]
fn a_full_queue_loses_its_oldest_and_counts_it() {
    let (_folder, queue) = queue();
    home::private_folder(&queue.0).unwrap();
    for number in 0..MOST as u64 {
        let report = report_at(NOW, number);
        let path = queue.path(report.report_id.unwrap());
        std::fs::write(path, serde_json::to_vec(&report).unwrap()).unwrap();
    }
    let oldest = queue.ids()[0];
    let dropped = push(&queue, &report_at(NOW, MOST as u64));
    assert_eq!((dropped.queue_full, dropped.too_old), (1, 0));
    assert_eq!(queue.ids().len(), MOST);
    assert!(!queue.ids().contains(&oldest));
}

#[test]
fn what_is_too_old_goes_and_a_clock_set_back_makes_nothing_old() {
    let (_folder, queue) = queue();
    push(&queue, &report_at(NOW + 400 * 24 * 3600, 1));
    let dropped = push(&queue, &report_at(NOW - OLDEST.as_secs() - 1, 2));
    assert_eq!((dropped.queue_full, dropped.too_old), (0, 1));
    assert_eq!(queue.ids().len(), 1);
}

#[test]
fn a_report_is_in_one_pair_of_hands() {
    let (_folder, queue) = queue();
    let report = report_at(NOW, 1);
    let id = report.report_id.unwrap();
    push(&queue, &report);
    let Ok(entry) = queue.claim(id) else {
        panic!("not ours")
    };
    assert!(matches!(queue.claim(id), Err(NotOurs::Theirs)));
    drop(entry);
    let Ok(entry) = queue.claim(id) else {
        panic!("not given back")
    };
    entry.remove();
    assert!(matches!(queue.claim(id), Err(NotOurs::Theirs)));
    assert!(queue.is_empty());
}

#[test]
fn a_torn_or_edited_file_costs_its_own_report() {
    let (_folder, queue) = queue();
    let (torn, edited, swapped, whole) = (
        report_at(NOW, 1),
        report_at(NOW, 2),
        report_at(NOW, 3),
        report_at(NOW, 4),
    );
    for report in [&torn, &edited, &swapped, &whole] {
        push(&queue, report);
    }
    let path = |report: &Report| queue.path(report.report_id.unwrap());
    let text = std::fs::read_to_string(path(&torn)).unwrap();
    std::fs::write(path(&torn), &text[..text.len() / 2]).unwrap();
    let mail = text.replace("login", "login\",\"email\":\"a@b.c");
    std::fs::write(path(&edited), mail).unwrap();
    // Another report's text under this name would be counted under the other id.
    std::fs::write(path(&swapped), text).unwrap();
    std::fs::write(queue.0.join("README.json"), "{}").unwrap();

    for report in [&torn, &edited, &swapped] {
        assert!(matches!(
            queue.claim(report.report_id.unwrap()),
            Err(NotOurs::Damaged)
        ));
    }
    assert_eq!(queue.ids(), [whole.report_id.unwrap()]);
}

#[test]
fn a_picture_waits_with_its_report_and_can_be_given_up() {
    let (_folder, queue) = queue();
    let mut report = report_at(NOW, 1);
    report.screenshot_ref = Digest::parse(&"1".repeat(64)).ok();
    let id = report.report_id.unwrap();
    queue.push(&report, Some(b"png"), now()).unwrap();
    let Ok(mut entry) = queue.claim(id) else {
        panic!("not ours")
    };
    assert_eq!(entry.picture().unwrap(), b"png");
    entry.give_up_picture().unwrap();
    drop(entry);
    let Ok(entry) = queue.claim(id) else {
        panic!("damaged")
    };
    assert!(entry.picture().is_none() && entry.report.screenshot_ref.is_none());
    assert_eq!(queue.names("png").count(), 0);
}
