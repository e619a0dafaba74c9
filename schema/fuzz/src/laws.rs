//! What holds for every input, whatever it is. The fuzz targets run these on what they invent; `tests/corpus.rs`
//! of the schema includes this file and runs them on the committed corpora, in every `cargo test`.

use drift_schema::pii::{Suspicion, suspect};
use drift_schema::tree::{Capture, Difference, Digested, Record, Side, Signature, unmasked};
use drift_schema::words::NotA;
use drift_schema::{
    Code, Digest, Host, Problem, Refusal, Report, ScraperVersion, Service, Step, TripwireKind,
};

/// A report is read as it is written back, or refused in our own words alone.
pub fn report(input: &[u8]) {
    let read = Report::parse(input);
    match &read {
        Ok(report) => comes_back(report),
        Err(refusal) => says_nothing_of_the_input(*refusal),
    }
    let padded = [b" \n", input, b"\r\n\t "].concat();
    assert_eq!(
        Report::parse(&padded),
        read,
        "white space around it changes the answer"
    );
}

fn comes_back(report: &Report) {
    let json = serde_json::to_vec(report).unwrap();
    assert_eq!(
        Report::parse(&json).as_ref(),
        Ok(report),
        "written and read again"
    );
    // The log reads with the derived reader, which must know the same reports.
    assert_eq!(&serde_json::from_slice::<Report>(&json).unwrap(), report);
    let texts = [
        report.service.as_str(),
        report.tripwire.step.as_str(),
        report.url_host.as_str(),
        report.scraper_version.as_str(),
    ];
    assert!(
        texts.iter().all(|text| suspect(text).is_none()),
        "passed the second net unseen"
    );
}

/// Code, field and rule come from closed lists, and the problem document is made of nothing else.
fn says_nothing_of_the_input(refusal: Refusal) {
    // `'static`: a text that was cut out of the input would not compile here.
    let Refusal { code, field, rule }: Refusal = refusal;
    let (field, rule): (Option<&'static str>, Option<&'static str>) = (field, rule);
    assert!(
        field.is_none_or(|field| FIELDS.contains(&field)),
        "{field:?}"
    );
    assert!(rule.is_none_or(|rule| rules().contains(&rule)), "{rule:?}");
    match code {
        Code::MalformedJson | Code::UnknownField => assert_eq!((field, rule), (None, None)),
        Code::MissingField | Code::DuplicateField => assert!(field.is_some() && rule.is_none()),
        Code::InvalidField | Code::PiiSuspected => assert!(field.is_some() && rule.is_some()),
        other => panic!("{other} is not an answer to a report"),
    }
    let problem = serde_json::to_value(Problem::from(refusal)).unwrap();
    let mut expected = serde_json::json!({
        "type": format!("/docs/problems#{code}"), "title": code.title(), "status": code.status(), "code": code.as_str(),
    });
    if let Some(field) = field {
        expected["field"] = field.into();
        if let Some(rule) = rule {
            expected["detail"] = format!("{field}: {rule}").into();
        }
    }
    assert_eq!(problem, expected);
    let shown = field.map_or(code.to_string(), |field| format!("{code}: {field}"));
    assert_eq!(refusal.to_string(), shown);
}

const FIELDS: [&str; 10] = [
    "report",
    "report_id",
    "service",
    "tripwire",
    "tripwire.kind",
    "tripwire.step",
    "dom_digest",
    "url_host",
    "scraper_version",
    "screenshot_ref",
];

fn rules() -> Vec<&'static str> {
    fn rule<T>(refused: Result<T, NotA>) -> Option<&'static str> {
        refused.err().map(|NotA(rule)| rule)
    }
    let words = [
        rule(Service::parse("")),
        rule(Step::parse("")),
        rule(Host::parse("")),
        rule(ScraperVersion::parse("")),
        rule(Digest::parse("")),
        rule(TripwireKind::parse("")),
    ];
    let suspicions = [
        Suspicion::Secret,
        Suspicion::Mail,
        Suspicion::Phone,
        Suspicion::Identifier,
        Suspicion::HighEntropy,
    ];
    let others = [
        "must be a string",
        "must be an object",
        "a UUID of 36 characters",
    ];
    words
        .into_iter()
        .flatten()
        .chain(suspicions.map(Suspicion::rule))
        .chain(others)
        .collect()
}

/// The net answers on any text, sees no difference in case, and is not fooled by what stands around a leak.
pub fn pii(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let verdict = suspect(&text);
    assert_eq!(
        suspect(&text.to_ascii_lowercase()),
        verdict,
        "in lower case"
    );
    assert_eq!(
        suspect(&text.to_ascii_uppercase()),
        verdict,
        "in upper case"
    );
    if verdict.is_some() {
        assert!(
            suspect(&format!("{text}-z")).is_some(),
            "with something behind it"
        );
        // In a version the place matters: a commit behind the `+` would be an id elsewhere, and the other way round.
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            assert!(
                suspect(&format!("z-{text}")).is_some(),
                "with something before it"
            );
        }
    }
}

/// Whatever a browser answers, there is a digest: the same each time, whole, and readable. Any two texts have a
/// difference, and a text has none from itself.
pub fn tree(input: &[u8]) {
    if let Ok(capture) = serde_json::from_slice::<Capture>(input) {
        let digested = Digested::of(&capture, &unmasked);
        assert_eq!(
            Digested::of(&capture, &unmasked),
            digested,
            "the same page again"
        );
        let record = &digested.record;
        assert_eq!(
            Signature::of_shape(&record.shape),
            record.minhash,
            "a shape reads as it was"
        );
        let json = serde_json::to_string(record).unwrap();
        assert_eq!(&serde_json::from_str::<Record>(&json).unwrap(), record);
        compare(&record.shape, &record.shape);
        nothing_of_what_is_masked_stays(&capture);
    }
    let text = String::from_utf8_lossy(input);
    let (one, other) = text.split_once("\n\n").unwrap_or((&text, ""));
    compare(one, other);
    compare(other, one);
}

fn compare(before: &str, after: &str) {
    let side = |shape| Side {
        shape,
        snapshot: Some(shape),
    };
    let difference = Difference::between(side(before), side(after), None, None);
    assert!(
        before != after || difference.is_empty(),
        "a text differs from itself"
    );
    assert_eq!(difference.is_empty(), difference.hunks.is_empty());
    assert!(difference.what_changed().len() <= 8 && difference.patch().lines().count() <= 60);
    assert!(!difference.sentence().is_empty());
}

fn nothing_of_what_is_masked_stays(capture: &Capture) {
    let hidden = Digested::of(capture, &|text: &str| {
        text.replace(|c: char| c.is_alphanumeric(), "*").into()
    });
    let names = hidden
        .snapshot
        .lines()
        .filter_map(|line| line.split_once('"'));
    for (_, rest) in names {
        // Up to the quote that ends it; a text behind it may be quoted, too.
        let mut escaped = false;
        let end = rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let name = &rest[..end.unwrap_or(rest.len())];
        assert!(!name.contains(char::is_alphanumeric), "{name}");
    }
}
