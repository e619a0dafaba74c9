//! A login as a browser holds it: cookies, and what the page's origin stores. Taken from one browser, put into another.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cdp::Error;
use crate::tab::Tab;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Session {
    cookies: Vec<Value>,
    storage: Storage,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Storage {
    origin: String,
    local: BTreeMap<String, String>,
    session: BTreeMap<String, String>,
}

/// A page that hangs does not say what it stores; its cookies are the browser's.
const STORAGE_DEADLINE: Duration = Duration::from_secs(2);

/// What a cookie is made of when it is set; what the browser tells has more.
const COOKIE_FIELDS: [&str; 9] = [
    "name", "value", "domain", "path", "secure", "httpOnly", "sameSite", "expires", "priority",
];

impl Session {
    pub async fn take(tab: &mut Tab) -> Result<Self, Error> {
        let answer: Value = tab
            .page
            .connection()
            .call("", "Storage.getCookies", json!({}))
            .await?;
        let cookies = answer["cookies"].as_array().into_iter().flatten();
        let cookies = cookies.map(|cookie| {
            let fields = COOKIE_FIELDS.iter().filter_map(|name| {
                let value = cookie.get(*name)?;
                // A cookie of this session only says so by a time before all times.
                let endless = *name == "expires" && value.as_f64().is_none_or(|at| at < 0.0);
                (!endless).then(|| ((*name).to_owned(), value.clone()))
            });
            Value::Object(fields.collect())
        });
        let main = tab.main_frame.clone();
        let read =
            "({origin: location.origin, local: {...localStorage}, session: {...sessionStorage}})";
        // A page without an origin has no storage, and says so by an exception.
        let storage = timeout(STORAGE_DEADLINE, tab.ask(&main, read)).await;
        let storage = storage.ok().and_then(Result::ok).unwrap_or_default();
        Ok(Self {
            cookies: cookies.collect(),
            storage,
        })
    }

    /// Cookies at once; the storage as soon as a page of that origin opens.
    pub async fn put_into(&self, tab: &Tab) -> Result<(), Error> {
        let cookies = json!({"cookies": self.cookies});
        let browser = tab.page.connection();
        browser.call_raw("", "Storage.setCookies", cookies).await?;
        if self.storage.local.is_empty() && self.storage.session.is_empty() {
            return Ok(());
        }
        let storage = json!(self.storage);
        let source = format!(
            "(kept => {{ if (location.origin !== kept.origin || window !== top) return; \
               for (const [store, values] of [[localStorage, kept.local], [sessionStorage, kept.session]]) \
                 for (const [name, value] of Object.entries(values)) \
                   if (store.getItem(name) === null) store.setItem(name, value); }})({storage})"
        );
        let script = json!({"source": source});
        tab.page
            .tell("Page.addScriptToEvaluateOnNewDocument", script)
            .await
    }
}
