//! How people sign in to the pages.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{Reader, some_time};
use crate::session::github;

#[derive(Debug, Clone)]
pub struct SignIn {
    /// How long somebody stays signed in.
    pub lifetime: Duration,
    pub github: Option<github::Settings>,
}

impl Reader<'_> {
    pub(super) fn sign_in(&mut self) -> Option<SignIn> {
        let lifetime = self.with("DRIFT_SESSION_LIFETIME", some_time);
        let client_id = self.optional("DRIFT_GITHUB_OAUTH_CLIENT_ID", |text| Ok(text.to_owned()));
        let client_secret = self.optional("DRIFT_GITHUB_OAUTH_CLIENT_SECRET", |text| {
            Ok(SecretString::from(text))
        });
        let orgs = self.with("DRIFT_GITHUB_OAUTH_ORGS", logins);
        let users = self.with("DRIFT_GITHUB_OAUTH_USERS", logins);
        let admins = self.with("DRIFT_GITHUB_OAUTH_ADMINS", logins);
        let site = self.with("DRIFT_GITHUB_URL", web_address);
        let api = self.with("DRIFT_GITHUB_API_URL", web_address);
        let (orgs, users) = (orgs?, users?);
        let github = match (client_id, client_secret) {
            (None, None) => None,
            (Some(client_id), Some(client_secret)) => {
                if orgs.is_empty() && users.is_empty() {
                    self.problems.push(
                        "DRIFT_GITHUB_OAUTH_CLIENT_ID needs DRIFT_GITHUB_OAUTH_ORGS or DRIFT_GITHUB_OAUTH_USERS: nobody may sign in without"
                            .to_owned(),
                    );
                }
                Some(github::Settings {
                    client_id,
                    client_secret,
                    site: site?,
                    api: api?,
                    orgs,
                    users,
                    admins: admins?,
                })
            }
            _ => {
                self.problems.push(
                    "DRIFT_GITHUB_OAUTH_CLIENT_ID and DRIFT_GITHUB_OAUTH_CLIENT_SECRET need each other"
                        .to_owned(),
                );
                None
            }
        };
        Some(SignIn {
            lifetime: lifetime?,
            github,
        })
    }
}

fn logins(text: &str) -> Result<Vec<String>, &'static str> {
    let names = text.split(',').map(str::trim);
    let names: Vec<String> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    // What GitHub allows; and each becomes part of an address.
    let is_login = |name: &String| {
        name.len() <= 100
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if names.iter().all(is_login) {
        Ok(names)
    } else {
        Err("is not a list of GitHub names, separated by commas")
    }
}

fn web_address(text: &str) -> Result<Url, &'static str> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("is not an http or https URL"),
    }
}
