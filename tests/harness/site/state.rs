//! What the site knows: accounts, codes, sessions, keys, and which switches are on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};

use super::{Layout, Switch};

pub struct Site {
    pub layout: Layout,
    maildir: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub switches: BTreeSet<Switch>,
    /// By address.
    pub accounts: BTreeMap<String, Account>,
    /// Who is signed in, by cookie.
    pub sessions: HashMap<String, String>,
    pub keys: Vec<Key>,
    pub visits: BTreeMap<String, u32>,
}

pub(super) struct Account {
    pub code: String,
    pub confirmed: bool,
}

pub(super) struct Key {
    pub id: String,
    pub name: String,
    pub secret: String,
    pub owner: String,
}

impl Site {
    pub fn new(layout: Layout, switches: Vec<Switch>, maildir: Option<PathBuf>) -> Self {
        let state = State {
            switches: switches.into_iter().collect(),
            ..State::default()
        };
        Self {
            layout,
            maildir,
            state: Mutex::new(state),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("unpoisoned")
    }

    pub fn is(&self, switch: Switch) -> bool {
        self.state().switches.contains(&switch)
    }

    pub(super) fn visited(&self, path: &str) {
        *self.state().visits.entry(path.to_owned()).or_default() += 1;
    }

    /// A new account, or a new code for an old one, and the mail with it.
    pub(super) fn sign_up(&self, address: &str) {
        let drawn = uuid::Uuid::new_v4().as_u128() % 900_000 + 100_000;
        let code = drawn.to_string();
        let account = Account {
            code: code.clone(),
            confirmed: false,
        };
        self.state().accounts.insert(address.to_owned(), account);
        if !self.is(Switch::NoMail) {
            self.mail(address, &code);
        }
    }

    /// Delivers as a mail server would: whole, under a name of its own.
    fn mail(&self, address: &str, code: &str) {
        let Some(maildir) = &self.maildir else { return };
        let (layout, id) = (self.layout, uuid::Uuid::new_v4());
        let text = format!(
            "From: {name} <{from}>\r\nTo: {address}\r\nSubject: {name} - Verify your email\r\n\
             Message-ID: <{id}@site.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/html; charset=utf-8\r\n\r\n\
             <p style=\"color:#202123\">Enter this code to go on:</p><h1>{code}</h1>\r\n",
            name = layout.name,
            from = layout.mail_from,
        );
        let draft = maildir.join("tmp").join(id.to_string());
        let place = maildir.join("new").join(id.to_string());
        fs::write(&draft, text).expect("the maildir takes mail");
        fs::rename(draft, place).expect("the maildir takes mail");
    }

    /// A key for whoever is signed in; the secret is shown this once.
    pub(super) fn issue(&self, owner: &str, name: &str) -> String {
        let id = uuid::Uuid::new_v4();
        let secret = self.key_like(&id.to_string());
        self.state().keys.push(Key {
            id: id.simple().to_string(),
            name: name.to_owned(),
            secret: secret.clone(),
            owner: owner.to_owned(),
        });
        secret
    }

    /// Something of the form of a key.
    pub(super) fn key_like(&self, seed: &str) -> String {
        let digits = hex::encode(Sha256::digest(seed.as_bytes()));
        format!("{}{digits}", self.layout.key_prefix)
    }
}
