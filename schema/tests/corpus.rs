//! Replays the corpora of the fuzz targets with the stable compiler: what a fuzzer once found stays found.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "all of this is test code, and the laws belong to another crate too"
)]

use std::path::Path;

#[path = "../fuzz/src/laws.rs"]
mod laws;

/// Runs a law on each file of a corpus, the ignored finds of local runs included, and counts the seeds.
fn replay(target: &str, law: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        // The panic of a broken law does not know its file.
        println!("{}", path.display());
        law(&input);
        files += 1;
    }
    assert!(files >= 20, "{} files in {}", files, folder.display());
}

#[test]
fn the_corpus_of_reports_keeps_the_laws() {
    replay("report", laws::report);
}

#[test]
fn the_corpus_of_values_keeps_the_laws() {
    replay("pii", laws::pii);
}

#[test]
fn the_corpus_of_pages_keeps_the_laws() {
    replay("tree", laws::tree);
}

/// A seed says in its name what becomes of it: `ok-…`, or the code of the refusal with dashes.
#[test]
fn each_seed_of_a_report_gets_the_answer_in_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/report");
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let Some((expected, _)) = name.split_once("--") else {
            continue;
        };
        let answer = match drift_schema::Report::parse(&std::fs::read(entry.path()).unwrap()) {
            Ok(_) => "ok".to_owned(),
            Err(refusal) => refusal.code.as_str().replace('_', "-"),
        };
        assert_eq!(answer, expected, "{name}");
    }
}
