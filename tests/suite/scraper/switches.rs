//! Every switch of the provider site has one outcome, each time. `DRIFT_ROUNDS=20` repeats them that often.

use harness::scraper::{Run, Scraper};
use harness::site::{OPENAI, OPENROUTER, RunningSite, Switch};

/// The whole product in one line: what is wrong with the sign-up form, and what comes of it.
const OUTCOMES: [(&str, &str); 18] = [
    ("tos", "tripwire selector-missing signup-form"),
    ("renamed", "tripwire selector-missing signup-form"),
    ("redirect", "tripwire unexpected-nav signup-form"),
    ("slow", "tripwire timeout signup-form"),
    ("bot-wall", "error bot_wall"),
    ("captcha", "error captcha"),
    ("variant-b", "error done"),
    ("rate-limit", "error rate_limited"),
    ("account-exists", "error account_exists"),
    ("down", "error site_down"),
    ("alert", "error done"),
    ("popup", "error done"),
    ("download", "tripwire unexpected-nav signup-form"),
    ("redirect-loop", "error redirect_loop"),
    ("self-nav", "tripwire unexpected-nav signup-form"),
    ("stuck-frame", "error done"),
    ("hang", "tripwire timeout signup-form"),
    ("cookie-banner", "tripwire selector-missing signup-form"),
];

/// How often each outcome has to come.
fn rounds() -> usize {
    #[expect(
        clippy::disallowed_methods,
        reason = "how much to test is no configuration"
    )]
    let rounds = std::env::var("DRIFT_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

async fn signs_up(site: &RunningSite, switch: &str) -> Run {
    site.switch(&[switch]).await;
    let scraper = Scraper::default().with_address();
    let more = ["--until", "signup-form", "--step-deadline", "6s"];
    scraper.run_at(site, &more).await
}

#[tokio::test]
async fn each_switch_has_its_outcome_at_openrouter() {
    let site = RunningSite::start(OPENROUTER, &[], None).await;
    for round in 0..rounds() {
        for (switch, outcome) in OUTCOMES {
            let run = signs_up(&site, switch).await;
            let told = (run.ending(), run.code);
            let code = if outcome == "error done" || outcome.starts_with("tripwire") {
                0
            } else {
                1
            };
            assert_eq!(
                told,
                (outcome.to_owned(), Some(code)),
                "{switch} in round {round}: {}",
                run.errors
            );
            if outcome.starts_with("tripwire") {
                run.png();
                assert_eq!(
                    run.last()["dom_digest"].as_str().map(str::len),
                    Some(64),
                    "{switch}"
                );
            }
        }
    }
}

#[tokio::test]
async fn new_terms_over_the_signup_at_openai_are_a_tripwire() {
    let site = RunningSite::start(OPENAI, &["tos"], None).await;
    let scraper = Scraper::default().with_address();
    for round in 0..rounds() {
        let run = scraper.run_at(&site, &[]).await;
        assert_eq!(
            run.ending(),
            "tripwire selector-missing signup-form",
            "round {round}: {}",
            run.errors
        );
        assert_eq!(run.code, Some(0));
        assert!(run.errors.contains("covered by"), "{}", run.errors);
        let last = run.last();
        assert_eq!(last["url"], "https://platform.openai.com/signup");
        assert_eq!(last["scraper_version"], "1.0.0");
        assert_eq!(last["resume_token"].as_str().map(str::len), Some(36));
        assert!(
            last["tree"]
                .as_str()
                .is_some_and(|tree| tree.contains("Accept new ToS"))
        );
        // The page before is there to compare with.
        let before = &run.lines[run.lines.len() - 2];
        assert!(
            before["tree"]
                .as_str()
                .is_some_and(|tree| tree.contains("Sign up")),
            "{before}"
        );
    }
}

#[tokio::test]
async fn a_flow_that_knows_the_banner_clears_it_away() {
    let site = RunningSite::start(OPENAI, &["cookie-banner"], None).await;
    let scraper = Scraper::default().with_address();
    let run = scraper.run_at(&site, &["--until", "signup-form"]).await;
    assert_eq!(run.ending(), "error done", "{}", run.errors);
}

#[test]
fn every_switch_is_tested_somewhere() {
    let elsewhere = [
        "decoy",
        "decoy-only",
        "phantom",
        "wrong-otp",
        "no-mail",
        "huge",
    ];
    for switch in Switch::ALL {
        let name = switch.name();
        let here = OUTCOMES.iter().any(|(tested, _)| *tested == name);
        assert!(here || elsewhere.contains(&name), "{name}");
    }
}
