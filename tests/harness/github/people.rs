//! People at the fake GitHub, who sign in elsewhere with it: an OAuth app, codes that are good once, tokens that say who it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{FakeGithub, Message, State, json_answer, message};

pub const CLIENT_ID: &str = "Iv1.0123456789abcdef";
pub const CLIENT_SECRET: &str = "oauth-app-secret-for-tests-only";

#[derive(Debug, Clone)]
pub struct Person {
    pub login: String,
    pub orgs: Vec<String>,
}

/// Somebody agreed, and has not come back yet.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    code: String,
    login: String,
    redirect_uri: String,
    challenge: String,
}

impl FakeGithub {
    pub fn add_person(&self, login: &str, orgs: &[&str]) {
        let orgs = orgs.iter().map(|org| (*org).to_owned()).collect();
        let login = login.to_owned();
        self.state().people.push(Person { login, orgs });
    }

    /// Somebody looks at the page behind this address and agrees. Where their browser is sent.
    pub fn agrees(&self, login: &str, asked: &str) -> String {
        let asked = reqwest::Url::parse(asked).expect("an address");
        assert_eq!(asked.path(), "/login/oauth/authorize");
        let value = |name: &str| {
            let found = asked.query_pairs().find(|(known, _)| known == name);
            found
                .unwrap_or_else(|| panic!("no {name} in {asked}"))
                .1
                .into_owned()
        };
        assert_eq!(value("client_id"), CLIENT_ID);
        assert_eq!(value("code_challenge_method"), "S256");
        let mut state = self.state();
        let code = format!("code{}", state.agreed.len());
        state.agreed.push(Agreed {
            code: code.clone(),
            login: login.to_owned(),
            redirect_uri: value("redirect_uri"),
            challenge: value("code_challenge"),
        });
        let mut back = reqwest::Url::parse(&value("redirect_uri")).expect("an address");
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &value("state"));
        back.into()
    }
}

/// None: that is not about people.
pub(super) fn answer(state: &mut State, request: &Message) -> Option<Message> {
    match (request.method(), request.path()) {
        ("POST", "/login/oauth/access_token") => Some(token(state, request)),
        ("GET", "/user") => Some(match login(request) {
            Some(login) => json_answer(200, &json!({"login": login, "id": 1})),
            None => message(401, &[], "Bad credentials"),
        }),
        ("GET", path) => {
            let org = path.strip_prefix("/user/memberships/orgs/")?;
            let login = login(request)?;
            let person = state.people.iter().find(|person| person.login == login);
            let is_member = person.is_some_and(|person| person.orgs.iter().any(|it| it == org));
            Some(if is_member {
                json_answer(200, &json!({"state": "active", "role": "member"}))
            } else {
                message(404, &[], "Not Found")
            })
        }
        _ => None,
    }
}

fn token(state: &mut State, request: &Message) -> Message {
    let form = reqwest::Url::parse("http://form.invalid/")
        .map(|mut url| {
            url.set_query(std::str::from_utf8(&request.body).ok());
            url
        })
        .expect("an address");
    let value = |name: &str| {
        let found = form.query_pairs().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    if (value("client_id").as_str(), value("client_secret").as_str()) != (CLIENT_ID, CLIENT_SECRET)
    {
        return json_answer(200, &json!({"error": "incorrect_client_credentials"}));
    }
    let place = state.agreed.iter().position(|it| it.code == value("code"));
    let bad = json!({"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."});
    // A code is good once, whatever comes of it.
    let Some(agreed) = place.map(|place| state.agreed[place].clone()) else {
        return json_answer(200, &bad);
    };
    state.agreed[place.unwrap_or_default()].code.clear();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(value("code_verifier")));
    if value("redirect_uri") != agreed.redirect_uri || challenge != agreed.challenge {
        return json_answer(200, &bad);
    }
    let token = format!("gho_{}", agreed.login);
    json_answer(
        200,
        &json!({"access_token": token, "token_type": "bearer", "scope": "read:org"}),
    )
}

fn login(request: &Message) -> Option<&str> {
    request.header("authorization")?.strip_prefix("Bearer gho_")
}
