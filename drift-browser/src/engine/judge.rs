//! What a failure means. Changes of shape are tripwires; everything that has another cause is an error with a name, and a
//! page that says so itself is believed before anything else.

use drift_schema::report::TripwireKind;
use drift_schema::words::FailureCode;

use super::wait::Missing;
use super::{Engine, Stop, bare, host};
use crate::cdp::Error;
use crate::evidence::Masker;
use crate::flow::{Step, UrlPattern};

/// Frames in which the big challenges come.
const CHALLENGES: &str = r#"["challenges.cloudflare.com", "hcaptcha.com", "google.com/recaptcha", "recaptcha.net/recaptcha", "arkoselabs.com", "funcaptcha.com", "captcha-delivery.com", "captcha"]"#;

impl Engine<'_> {
    /// Something that should be on the page did not come.
    pub(super) async fn judge(&mut self, missing: Missing) -> Stop {
        if let Some(stop) = self.other_cause(missing.silent).await {
            return stop;
        }
        let url = match missing.silent {
            true => self.tab.watch.state().document.url.clone(),
            false => self.address().await,
        };
        let other_host = match (&self.host, host(&url)) {
            (Some(expected), Some(now)) => *expected != now,
            _ => false,
        };
        let led_away = self.asked.as_ref().is_some_and(|asked| asked != bare(&url));
        let elsewhere = other_host || led_away;
        let kind = match &missing {
            Missing { restless: true, .. } => TripwireKind::UnexpectedNav,
            _ if elsewhere => TripwireKind::UnexpectedNav,
            Missing {
                at_rest: false,
                loading: true,
                ..
            } => TripwireKind::Timeout,
            _ => TripwireKind::SelectorMissing,
        };
        let mut why = missing.why;
        if missing.restless {
            why = format!("the page keeps going elsewhere by itself; {why}");
        } else if elsewhere {
            why = format!("the page is at {}; {why}", shown_url(&url, &self.masker()));
        } else if kind == TripwireKind::Timeout {
            why = format!("the page was still loading at the deadline; {why}");
        }
        Stop::Tripwire {
            kind,
            why: why + &self.noted(),
        }
    }

    /// The page is not where it should be.
    pub(super) async fn judge_url(&mut self, missing: Missing) -> Stop {
        if let Some(stop) = self.other_cause(missing.silent).await {
            return stop;
        }
        let kind = if missing.loading && !missing.restless {
            TripwireKind::Timeout
        } else {
            TripwireKind::UnexpectedNav
        };
        Stop::Tripwire {
            kind,
            why: missing.why + &self.noted(),
        }
    }

    /// The browser itself says that an address leads to no page.
    pub(super) fn judge_navigation(&self, url: &str, error: &str, is_download: bool) -> Stop {
        let shown = shown_url(url, &self.masker());
        if is_download || error == "net::ERR_ABORTED" {
            let what = if is_download {
                "a file to download"
            } else {
                "no page"
            };
            return Stop::Tripwire {
                kind: TripwireKind::UnexpectedNav,
                why: format!("{shown} is {what}"),
            };
        }
        network(&shown, error)
    }

    /// Nothing answered by the deadline.
    pub(super) async fn out_of_time(&mut self, step: &Step) -> Stop {
        if let Err(lost) = self.alive() {
            return lost;
        }
        if let Some(stop) = self.other_cause(true).await {
            return stop;
        }
        Stop::Tripwire {
            kind: TripwireKind::Timeout,
            why: format!(
                "nothing answered within {:?}{}",
                step.deadline,
                self.noted()
            ),
        }
    }

    pub(super) fn browser_gone(&self, error: &Error) -> Stop {
        Stop::Failed {
            code: code("browser_crashed"),
            why: error.to_string(),
        }
    }

    /// A cause that is not the page's shape, if it can be seen. A page that is silent is not asked.
    async fn other_cause(&mut self, silent: bool) -> Option<Stop> {
        let (document, failed) = {
            let state = self.tab.watch.state();
            (state.document.clone(), state.failed.clone())
        };
        let shown = shown_url(&document.url, &self.masker());
        if let Some(error) = failed {
            return Some(network(&shown, &error));
        }
        let stop = |name: &str, why: String| {
            Some(Stop::Failed {
                code: code(name),
                why,
            })
        };
        if document.challenged {
            return stop("bot_wall", format!("{shown} answered with a challenge"));
        }
        if document.status == 429 {
            return stop("rate_limited", format!("{shown} answered 429"));
        }
        if !silent && let Some(found) = self.known_failure().await {
            return Some(found);
        }
        match document.status {
            500..=599 => stop("site_down", format!("{shown} answered {}", document.status)),
            401 => stop("bad_credentials", format!("{shown} answered 401")),
            403 => stop(
                "bot_wall",
                format!(
                    "{shown} answered 403: it, or something in front of it, refused an automated visit"
                ),
            ),
            _ => None,
        }
    }

    /// What the page says itself, by the rules of the flow and then by those that hold everywhere.
    async fn known_failure(&mut self) -> Option<Stop> {
        let look = async {
            let url = self.tab.url().await.ok()?;
            let flow = self.flow;
            for rule in &flow.not_drift {
                let pattern = rule
                    .url
                    .as_ref()
                    .and_then(|url| self.values.render(url).ok());
                let pattern = pattern.and_then(|url| UrlPattern::parse(&url).ok());
                if pattern.is_some_and(|pattern| pattern.matches(&url)) {
                    let why = format!("the page is at {}", shown_url(&url, &self.masker()));
                    return Some((rule.code.clone(), why));
                }
                for locator in self.locators(&rule.when) {
                    if self
                        .tab
                        .find(&locator)
                        .await
                        .is_ok_and(|found| !found.0.is_empty())
                    {
                        return Some((rule.code.clone(), format!("the page shows {locator}")));
                    }
                }
            }
            let main = self.tab.main_frame.clone();
            let challenge = format!("__drift.challenge({CHALLENGES})");
            if self.tab.ask::<bool>(&main, &challenge).await.ok()? {
                let why = "the page shows a challenge for people".to_owned();
                return Some((code("captcha"), why));
            }
            None
        };
        let patience = std::time::Duration::from_secs(10);
        let (code, why) = tokio::time::timeout(patience, look).await.ok()??;
        Some(Stop::Failed { code, why })
    }

    /// What happened beside the page, for the person who reads why.
    fn noted(&self) -> String {
        let state = self.tab.watch.state();
        let mut notes = String::new();
        if !state.dialogs.is_empty() {
            notes += "; a dialog opened and was closed";
        }
        if state.downloads > 0 {
            notes += "; a download began and was refused";
        }
        if state.popups > 0 {
            notes += "; a popup opened and was closed";
        }
        notes
    }
}

fn network(url: &str, error: &str) -> Stop {
    let name = match error {
        "net::ERR_TOO_MANY_REDIRECTS" => "redirect_loop",
        error if error.contains("CERT") || error.contains("SSL") => "tls",
        _ => "network",
    };
    Stop::Failed {
        code: code(name),
        why: format!("{url}: {error}"),
    }
}

/// A code of ours, by its name. They are all well formed; one that were not would be `internal`.
pub fn code(name: &str) -> FailureCode {
    FailureCode::parse(name).unwrap_or_else(|_| internal())
}

fn internal() -> FailureCode {
    #[expect(clippy::expect_used, reason = "a constant")]
    FailureCode::parse("internal").expect("a code")
}

/// An address without what may be somebody's: no query, no fragment, no user, nothing that looks secret.
pub fn shown_url(url: &str, masker: &Masker) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let bare = match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let place = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{place}{path}")
        }
        // `data:` and its like carry the page itself.
        None => bare.split(':').next().unwrap_or_default().to_owned(),
    };
    masker.hide(&bare).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_somebodys() {
        let masker = Masker::new(["hunter2!"], []);
        for (url, shown) in [
            ("https://u:p@a.example/x?token=1#y", "https://a.example/x"),
            ("https://a.example/hunter2!/z", "https://a.example/▇▇▇/z"),
            (
                "https://a.example/u/bob@b.example",
                "https://a.example/u/▇▇▇",
            ),
            ("data:text/html,secret", "data"),
            ("about:blank", "about"),
        ] {
            assert_eq!(shown_url(url, &masker), shown);
        }
    }
}
