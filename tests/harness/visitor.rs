//! Somebody with a browser that keeps cookies and fills in forms, and runs no script.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Method, Response};

use crate::Server;

pub struct Visitor<'s> {
    server: &'s Server,
    pub cookies: BTreeMap<String, String>,
    /// What every answer set, as it came.
    pub set: Vec<String>,
}

/// A page, or where to go instead.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn location(&self) -> &str {
        let location = self.headers.get(LOCATION);
        location.map_or("", |location| location.to_str().expect("text"))
    }

    /// The token that stands in each of its forms.
    pub fn token(&self) -> String {
        let found = self.text.split("name=\"csrf\" value=\"").nth(1);
        let rest = found.unwrap_or_else(|| panic!("no form in {}", self.text));
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

impl<'s> Visitor<'s> {
    pub fn at(server: &'s Server) -> Self {
        Self {
            server,
            cookies: BTreeMap::new(),
            set: Vec::new(),
        }
    }

    /// Signed in with a key.
    pub async fn with(server: &'s Server, key: &str) -> Self {
        let mut visitor = Self::at(server);
        let page = visitor.submit("/sign-in", &[("key", key)]).await;
        assert_eq!((page.status, page.location()), (303, "/"), "{}", page.text);
        visitor
    }

    pub async fn open(&mut self, path: &str) -> Page {
        let request = self.server.client.get(self.server.url(path));
        let sent = request.header(COOKIE, self.brought()).send().await;
        self.keep(sent.expect("an answer")).await
    }

    /// A form with these fields, as a browser sends it.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let origin = self.server.base.clone();
        self.submit_from(Some(&origin), path, fields).await
    }

    /// The same from a page of somebody else's, or with nothing said about where it was.
    pub async fn submit_from(
        &mut self,
        origin: Option<&str>,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let mut body = reqwest::Url::parse("http://form.invalid/").expect("an address");
        body.query_pairs_mut().extend_pairs(fields);
        let request = self
            .server
            .client
            .request(Method::POST, self.server.url(path));
        let mut request = request
            .header(COOKIE, self.brought())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.query().unwrap_or_default().to_owned());
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let sent = request.send().await;
        self.keep(sent.expect("an answer")).await
    }

    /// The form on a page, with the token that stands there; then the page that follows.
    pub async fn fill_in(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.open(page).await.token();
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        let answer = self.submit(path, &all).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let next = answer.location().to_owned();
        self.open(&next).await
    }

    fn brought(&self) -> String {
        let pairs = self.cookies.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    async fn keep(&mut self, answer: Response) -> Page {
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("text").to_owned();
            let (name, value) = text
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a cookie");
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            self.set.push(text);
        }
        Page {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: answer.text().await.expect("text"),
        }
    }
}
