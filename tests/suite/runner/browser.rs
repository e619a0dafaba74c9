//! The whole loop with nothing played: a real browser on a provider's site, whose page changes and is put right again.

use harness::dovecot::{Dovecot, PASSWORD};
use harness::scraper::shipped_flow;
use harness::site::{OPENAI, RunningSite, beside};

use super::*;

const ADDRESS: &str = "alice@mail.example";

/// As an owner would write it, but that the site is ours.
fn write_scrapers(world: &mut World, site: &RunningSite, dovecot: &Dovecot) {
    let granted = [
        ("AGENTKEYS_SIGNUP_EMAIL", ADDRESS.to_owned()),
        ("AGENTKEYS_EMAIL_PASSWORD", PASSWORD.to_owned()),
        ("AGENTKEYS_IMAP_SERVER", dovecot.server()),
        (
            "AGENTKEYS_IMAP_CA_FILE",
            dovecot.ca_file().display().to_string(),
        ),
        ("DRIFT_NO_SANDBOX", "true".to_owned()),
    ];
    let names = json!(granted.each_ref().map(|(name, _)| name));
    for (name, value) in &granted {
        world.outpost.set(name, value);
    }
    let command = json!([
        beside("drift-scraper-under-test"),
        "run",
        shipped_flow("openai"),
        "--map",
        site.mapping()
    ]);
    let table = format!(
        "[scrapers.openai]\ncommand = {command}\ngrant = {names}\nbudget = {{ per_day = 9, cooldown = \"1ms\" }}\n"
    );
    std::fs::write(world.outpost.folder().join("scrapers.toml"), table).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_changed_is_an_issue_with_proof_and_one_that_was_put_right_a_fix() {
    let mut world = World::on(Engine::Sqlite).await;
    let dovecot = Dovecot::start().await;
    let site = RunningSite::start(OPENAI, &[], Some(&dovecot.maildir("alice"))).await;
    write_scrapers(&mut world, &site, &dovecot);
    let good = world
        .outpost
        .run(&["replay", "--service", "openai", "--json"])
        .await
        .ended(0);
    assert_eq!(
        good.json()["services"][0]["replay"],
        "passed every step",
        "{}",
        good.stderr
    );

    site.switch(&["renamed"]).await;
    world.report("openai", "signup-form").await;
    world.report("openai", "signup-form").await;
    let ran = world.outpost.run(&["tick", "--json"]).await.ended(0);
    let drift = &ran.json()["drifts"][0];
    assert_eq!(
        (&drift["verdict"], &drift["action"]),
        (&json!("confirmed"), &json!("opened")),
        "{drift} {}",
        ran.stderr
    );
    let issue = world.github.only_issue();
    let body = &issue.body;
    assert!(body.contains("**2 reports**"), "{body}");
    let digest = body.split("DOM digest: `").nth(1).unwrap();
    assert!(
        digest[..64].bytes().all(|b| b.is_ascii_hexdigit()),
        "{body}"
    );
    // What somebody has to mend is said in words, against the very page that the last good replay filled in.
    let (_, changed) = body.split_once("### What changed in the tree").unwrap();
    let (changed, _) = changed.split_once("###").unwrap();
    assert!(
        changed.contains("is called") && changed.contains("```diff"),
        "{changed}"
    );
    for secret in [ADDRESS, PASSWORD, "alice+"] {
        assert!(!body.contains(secret), "{secret}: {body}");
    }
    let link = body
        .split("[Screenshot of the replay](<")
        .nth(1)
        .and_then(|rest| rest.split('>').next())
        .unwrap_or_else(|| panic!("no screenshot: {body}"));
    let picture = world.server.client.get(link).send().await.unwrap();
    let picture = picture.bytes().await.unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 2_000);

    // Closed, and not put right: it comes back. Then it is.
    world.github.state().close(issue.number);
    assert_eq!(
        world.outpost.tick().await["drifts"][0]["action"],
        "reopened"
    );
    site.switch(&[]).await;
    world.github.state().close(issue.number);
    let settled = world.outpost.tick().await;
    assert_eq!(settled["drifts"][0]["action"], "settled", "{settled}");
    assert_eq!(world.known().await["state"], "fixed");
    assert!(!world.github.only_issue().open);
    world.finish().await;
}
