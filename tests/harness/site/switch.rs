//! What can be wrong with the site, and what can merely be different.

use std::str::FromStr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};

use super::{Site, pages};

macro_rules! switches {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Switch { $($(#[doc = $doc])* $name,)* }

        impl Switch {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it does, for a help text.
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)*).trim_ascii(),)* }
            }
        }

        impl FromStr for Switch {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|switch| switch.name() == text).ok_or_else(|| {
                    let all: Vec<&str> = Self::ALL.iter().map(|switch| switch.name()).collect();
                    format!("`{text}` is no switch; there are {}", all.join(", "))
                })
            }
        }
    };
}

switches! {
    /// New terms lie over the sign-up form, with a button to accept them
    Tos = "tos",
    /// The sign-up form's fields and button have other names
    Renamed = "renamed",
    /// The sign-up form has moved: its address leads to a welcome page
    Redirect = "redirect",
    /// The sign-up form does not answer
    Slow = "slow",
    /// Something in front of the site wants to be sure
    BotWall = "bot-wall",
    /// A captcha stands where the form was
    Captcha = "captcha",
    /// The other half of an experiment: first a choice of ways to sign up, and other words
    VariantB = "variant-b",
    /// The page shows an example of a key beside the real one
    Decoy = "decoy",
    /// The page shows an example of a key and no real one
    DecoyOnly = "decoy-only",
    /// The page shows a well-formed key that it never issued
    Phantom = "phantom",
    /// No code is right
    WrongOtp = "wrong-otp",
    /// No code is sent
    NoMail = "no-mail",
    /// Too many sign-ups
    RateLimit = "rate-limit",
    /// The address has an account
    AccountExists = "account-exists",
    /// The site is down
    Down = "down",
    /// A cookie banner lies over the sign-up form
    CookieBanner = "cookie-banner",
    /// The sign-up form opens with an alert
    Alert = "alert",
    /// The sign-up form opens a popup
    Popup = "popup",
    /// The sign-up form's address is a file
    Download = "download",
    /// The sign-up form's address leads from one redirect to the next
    RedirectLoop = "redirect-loop",
    /// The sign-up form is a page of 50 MB
    Huge = "huge",
    /// The sign-up form loads itself again and again
    SelfNav = "self-nav",
    /// The sign-up form has a frame that never loads
    StuckFrame = "stuck-frame",
    /// The sign-up form's script never ends
    Hang = "hang",
}

/// The switches that hold for every page.
pub(super) async fn before(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let site = request.app_data::<Data<Site>>().cloned();
    let path = request.path().to_owned();
    if let Some(site) = site
        && !path.starts_with("/__")
        && !path.contains("models")
    {
        site.visited(&path);
        if site.is(Switch::Down) {
            let answer = HttpResponse::ServiceUnavailable().body("upstream connect error");
            return Ok(request.into_response(answer));
        }
        if site.is(Switch::BotWall) {
            let answer = HttpResponse::Forbidden()
                .insert_header(("cf-mitigated", "challenge"))
                .insert_header(header::ContentType::html())
                .body(pages::BOT_WALL);
            return Ok(request.into_response(answer));
        }
    }
    let answer = next.call(request).await?;
    Ok(answer.map_into_boxed_body())
}
