//! Codes that come by mail, from a real Dovecot.

use std::time::Duration;

use harness::dovecot::{Dovecot, PASSWORD};
use harness::scraper::{Run, Scraper};
use harness::site::{OPENROUTER, RunningSite};

const TO_BOB: &str = "From: Site <no-reply@site.example>\nTo: bob@mail.example\nSubject: Your code\n\nIt is 111111.\n";
const TO_ALICE: &str = "From: Site <no-reply@site.example>\nTo: alice+x@mail.example\nSubject: Your code\n\nIt is 222222.\n";
const NEWSLETTER: &str = "From: News <news@site.example>\nTo: alice+x@mail.example\nSubject: Your code of conduct\n\n333333 people read it.\n";

/// A flow that asks for a code and types it into the sign-up form, where the test can see it.
async fn asks(scraper: Scraper, site: &RunningSite, dovecot: &Dovecot, deadline: &str) -> Run {
    let flow = scraper.flow(&format!(
        "[values]\nme = {{ env = \"ME\" }}\n[secrets]\npassword = {{ env = \"PASSWORD\" }}\n\
         [mailbox]\naddress = \"${{me}}\"\npassword = \"${{password}}\"\nserver = \"{server}\"\nca-file = \"{ca}\"\n\
         [[step]]\nname = \"code\"\ndeadline = \"{deadline}\"\ndo = [\n\
         {{ goto = \"{base}/sign-up\" }},\n\
         {{ otp = \"code\", from = '/no-reply@/', subject = '/code/i', to = \"alice+x@mail.example\" }},\n\
         {{ fill = 'label \"Email address\"', with = \"${{code}}@mail.example\" }},\n\
         {{ fill = 'label \"Password\"', with = \"${{code}}${{code}}\" }},\n\
         {{ click = 'button \"Continue\"' }} ]\nexpect = 'heading \"Check your inbox\"'\n",
        server = dovecot.server(),
        ca = dovecot.ca_file().display(),
        base = site.base,
    ));
    scraper.run(&flow, &[]).await
}

fn alice() -> Scraper {
    Scraper::default()
        .with("ME", "alice+any@mail.example")
        .with("PASSWORD", PASSWORD)
}

#[tokio::test]
async fn the_newest_mail_that_fits_has_the_code() {
    let (dovecot, site) = (
        Dovecot::start().await,
        RunningSite::start(OPENROUTER, &[], None).await,
    );
    // Whatever is attached to a mail, its code comes first.
    let large = format!("{TO_ALICE}{}", "an attachment\n".repeat(300_000));
    for mail in [large.as_str(), TO_BOB, NEWSLETTER] {
        dovecot.deliver("alice", mail);
    }
    let run = asks(alice(), &site, &dovecot, "20s").await;
    assert_eq!(run.ending(), "error done", "{}", run.errors);
    assert_eq!(
        site.state().await["accounts"][0]["address"],
        "222222@mail.example"
    );
}

#[tokio::test]
async fn a_mail_that_comes_later_is_waited_for() {
    let (dovecot, site) = (
        Dovecot::start().await,
        RunningSite::start(OPENROUTER, &[], None).await,
    );
    dovecot.deliver("alice", TO_BOB);
    let late = async {
        harness::eventually("the form was opened", async || {
            (site.visits("/sign-up").await > 0).then_some(())
        })
        .await;
        dovecot.deliver("alice", TO_ALICE);
    };
    let (run, ()) = tokio::join!(asks(alice(), &site, &dovecot, "30s"), late);
    assert_eq!(run.ending(), "error done", "{}", run.errors);
    assert!(run.took < Duration::from_secs(25), "{:?}", run.took);
}

#[tokio::test]
async fn what_goes_wrong_with_a_mailbox_has_a_name() {
    let (dovecot, site) = (
        Dovecot::start().await,
        RunningSite::start(OPENROUTER, &[], None).await,
    );
    dovecot.deliver("alice", TO_BOB);
    let run = asks(alice(), &site, &dovecot, "5s").await;
    assert_eq!(run.ending(), "error otp_timeout", "{}", run.errors);
    assert!(
        run.errors.contains("1 new mails, none that fits"),
        "{}",
        run.errors
    );

    let run = asks(alice().with("PASSWORD", "wrong"), &site, &dovecot, "20s").await;
    assert_eq!(run.ending(), "error mailbox_refused", "{}", run.errors);
    assert!(!run.errors.contains("wrong\n"), "{}", run.errors);

    // Somebody whose certificate nobody vouches for.
    let other = Dovecot::start().await;
    let stranger = Scraper::default()
        .with("ME", "alice@mail.example")
        .with("PASSWORD", PASSWORD);
    let flow = stranger.flow(&format!(
        "[values]\nme = {{ env = \"ME\" }}\n[secrets]\npassword = {{ env = \"PASSWORD\" }}\n\
         [mailbox]\naddress = \"${{me}}\"\npassword = \"${{password}}\"\nserver = \"{}\"\nca-file = \"{}\"\n\
         [[step]]\nname = \"code\"\ndo = [{{ otp = \"code\" }}]\n",
        other.server(),
        dovecot.ca_file().display(),
    ));
    let run = stranger.run(&flow, &[]).await;
    assert_eq!(run.ending(), "error mailbox_unreachable", "{}", run.errors);
    assert!(run.errors.contains("TLS"), "{}", run.errors);
}
