//! The few cookies that we set. None can be read by a script, and none goes along when another site sends a form.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE, HeaderValue};

/// A cookie by its name. Over https the name itself forbids that another host of the domain sets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookie {
    name: &'static str,
    secure_name: &'static str,
}

pub(crate) const SESSION: Cookie = Cookie {
    name: "drift-session",
    secure_name: "__Host-drift-session",
};
pub(crate) const NOTICE: Cookie = Cookie {
    name: "drift-notice",
    secure_name: "__Host-drift-notice",
};
/// Between leaving for GitHub and coming back.
pub(crate) const SIGN_IN: Cookie = Cookie {
    name: "drift-sign-in",
    secure_name: "__Host-drift-sign-in",
};

impl Cookie {
    fn name(self, secure: bool) -> &'static str {
        if secure { self.secure_name } else { self.name }
    }

    /// What the browser brought. Of two of a name, which somebody may have slipped in beside ours, neither is believed.
    pub(crate) fn read(self, request: &HttpRequest, secure: bool) -> Option<&str> {
        let headers = request.headers().get_all(COOKIE);
        let pairs = headers
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(name, _)| *name == self.name(secure));
        match (ours.next(), ours.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn set(self, value: &str, lifetime: Duration, secure: bool) -> HeaderValue {
        let name = self.name(secure);
        let (seconds, mark) = (lifetime.as_secs(), if secure { "; Secure" } else { "" });
        let text =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{mark}");
        // Made of our own texts and of `Seal::seal`'s.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    pub(crate) fn remove(self, secure: bool) -> HeaderValue {
        self.set("", Duration::ZERO, secure)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn one_cookie_of_a_name_is_read_and_of_two_none() {
        let read = |header: &str, secure| {
            let request = TestRequest::default().insert_header((COOKIE, header));
            SESSION
                .read(&request.to_http_request(), secure)
                .map(str::to_owned)
        };
        assert_eq!(
            read("a=b; drift-session=x.y", false).as_deref(),
            Some("x.y")
        );
        assert_eq!(read("drift-session=x; drift-session=y", false), None);
        assert_eq!(read("drift-session=x", true), None);
        assert_eq!(read("__Host-drift-session=x", true).as_deref(), Some("x"));
        assert_eq!(read("Drift-Session=x; other", false), None);
    }

    #[test]
    fn a_cookie_is_for_us_alone() {
        let text = |secure| {
            let header = SESSION.set("x", Duration::from_secs(60), secure);
            header.to_str().unwrap().to_owned()
        };
        assert_eq!(
            text(false),
            "drift-session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            text(true),
            "__Host-drift-session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
