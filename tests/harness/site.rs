//! A provider to sign up at, as a site of our own: form, code by mail, dashboard with a key, and the API that the key opens.
//! Each switch breaks or changes one thing, as the real sites do. `provider-site` serves it, in tests and in the demo.

mod api;
mod pages;
mod process;
mod state;
mod switch;

use std::net::TcpListener;
use std::path::PathBuf;

use actix_web::dev::Server;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

pub use process::{RunningSite, beside};
pub use state::Site;
pub use switch::Switch;

/// What differs between two providers.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub service: &'static str,
    pub name: &'static str,
    /// Where flows expect it to be.
    pub origin: &'static str,
    signup: &'static str,
    verify: &'static str,
    keys: &'static str,
    models: &'static str,
    mail_from: &'static str,
    key_prefix: &'static str,
    new_key: &'static str,
    create_key: &'static str,
    /// Whether a new key stands in a field, or as text.
    key_in_field: bool,
}

pub const OPENAI: Layout = Layout {
    service: "openai",
    name: "OpenAI Platform",
    origin: "https://platform.openai.com",
    signup: "/signup",
    verify: "/email-verification",
    keys: "/api-keys",
    models: "/v1/models",
    mail_from: "noreply@tm.openai.com",
    key_prefix: "sk-proj-",
    new_key: "Create new secret key",
    create_key: "Create secret key",
    key_in_field: true,
};

pub const OPENROUTER: Layout = Layout {
    service: "openrouter",
    name: "OpenRouter",
    origin: "https://openrouter.ai",
    signup: "/sign-up",
    verify: "/sign-up/verify-email-address",
    keys: "/settings/keys",
    models: "/api/v1/models",
    mail_from: "noreply@openrouter.ai",
    key_prefix: "sk-or-v1-",
    new_key: "Create API Key",
    create_key: "Create",
    key_in_field: false,
};

pub const LAYOUTS: [Layout; 2] = [OPENAI, OPENROUTER];

/// Serves a site on a socket until the process ends. Mails go into `maildir`, when there is one.
pub fn serve(
    layout: Layout,
    switches: Vec<Switch>,
    maildir: Option<PathBuf>,
    socket: TcpListener,
) -> std::io::Result<Server> {
    let site = Data::new(Site::new(layout, switches, maildir));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(site.clone())
            .app_data(web::JsonConfig::default().content_type_required(false))
            .wrap(actix_web::middleware::from_fn(switch::before))
            .route("/", web::get().to(pages::landing))
            .route(layout.signup, web::get().to(pages::signup))
            .route(layout.signup, web::post().to(pages::sign_up))
            .route("/welcome", web::get().to(pages::welcome))
            .route(layout.verify, web::get().to(pages::verify))
            .route(layout.verify, web::post().to(pages::confirm))
            .route(layout.keys, web::get().to(pages::keys))
            .route("/settings/account", web::get().to(pages::account))
            .route("/challenge/captcha", web::get().to(pages::captcha_frame))
            .route("/framing", web::get().to(pages::framing))
            .route("/never", web::get().to(pages::never))
            .route("/loop/{number}", web::get().to(pages::endless_redirect))
            .route("/api/keys", web::post().to(api::create_key))
            .route("/api/keys/{id}", web::delete().to(api::revoke_key))
            .route("/api/account", web::delete().to(api::delete_account))
            .route(layout.models, web::get().to(api::models))
            .route("/__switches", web::put().to(api::set_switches))
            .route("/__state", web::get().to(api::state))
    });
    Ok(server
        .workers(1)
        .disable_signals()
        .keep_alive(std::time::Duration::from_secs(5))
        .shutdown_timeout(0)
        .listen(socket)?
        .run())
}
