//! The API's own description: `/openapi.json`, a page to browse it that works offline, and the list of refusals.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig};
use drift_schema::Code;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::pages::assets::STYLE;

use super::{
    actions, artifacts, batches, drifts, events, fresh, health, hooks, known, reports, runs,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Drift tracker", description = "Reports of pages that changed shape under a scraper."),
    paths(
        reports::create, reports::create_many, known::show, fresh::list, batches::list, drifts::list, drifts::show, events::list,
        actions::on_drift, actions::on_service,
        artifacts::put, artifacts::show, artifacts::link, hooks::github,
        runs::work, runs::claim, runs::heartbeat, runs::passed, runs::left, runs::judged, runs::done, runs::finish, runs::observed, runs::asked,
        health::alive, health::ready, health::metrics
    ),
    modifiers(&Keys, &Refusals),
    tags(
        (name = "ingest", description = "What scrapers in the field send and ask"),
        (name = "runner", description = "What the runner asks"),
        (name = "read", description = "What maintainers look at"),
        (name = "triage", description = "What maintainers decide"),
        (name = "operations", description = "What keeps the process running"),
    )
)]
struct Api;

struct Keys;

impl Modify for Keys {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components
            .get_or_insert_with(Default::default)
            .add_security_scheme("key", scheme);
    }
}

/// What every resource may answer, and what the codes mean: said once, from the table of codes.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let for_all = [
            ("500", "`internal`"),
            ("503", "`unavailable`; see Retry-After"),
        ];
        let with_key = [
            ("401", "`missing_key`, `invalid_key`"),
            ("403", "`insufficient_scope`"),
        ];
        let resources = api.paths.paths.iter_mut();
        for (_, item) in resources.filter(|(path, _)| path.starts_with("/drift/")) {
            for operation in [&mut item.get, &mut item.post, &mut item.put]
                .into_iter()
                .flatten()
            {
                let with_key = operation.security.iter().flat_map(|_| with_key);
                let responses = &mut operation.responses.responses;
                for (status, codes) in for_all.into_iter().chain(with_key) {
                    let described = responses.entry(status.to_owned());
                    described.or_insert_with(|| problem(codes).into());
                }
            }
        }
        let schemas = api.components.iter_mut().flat_map(|it| &mut it.schemas);
        for (name, schema) in schemas {
            if let (true, RefOr::T(Schema::Object(codes))) = (name == "Code", schema) {
                let line =
                    |code: &Code| format!("- `{code}` ({}): {}\n", code.status(), code.title());
                codes.description = Some(Code::ALL.iter().map(line).collect());
            }
        }
    }
}

fn problem(codes: &str) -> Response {
    let body = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(body)).build();
    ResponseBuilder::new()
        .description(codes)
        .content("application/problem+json", content)
        .build()
}

/// The document behind `/openapi.json`, as the command `openapi` prints it.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    Api::openapi().to_pretty_json()
}

/// What a page under `/docs` may load: nothing from elsewhere, whatever the viewer that we ship would like to.
const OURS_ALONE: &str =
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'";

pub(super) fn pages(config: &mut ServiceConfig) {
    // Its default validator is somebody else's server, which would be told our address.
    let viewer = Config::from("/openapi.json").validator_url("none");
    let pages = web::scope("/docs")
        .wrap(DefaultHeaders::new().add((CONTENT_SECURITY_POLICY, OURS_ALONE)))
        .route("/problems", web::get().to(problems))
        .service(SwaggerUi::new("/{_:.*}").config(viewer));
    config
        .route("/openapi.json", web::get().to(openapi))
        .service(web::redirect("/docs", "/docs/"))
        .service(pages);
}

async fn openapi() -> HttpResponse {
    // Put together once: nobody needs a key to ask for it.
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi_json().unwrap_or_default());
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(DOCUMENT.as_str())
}

/// Every code with its status and meaning; where the `type` of a problem document points.
async fn problems() -> HttpResponse {
    let rows: String = Code::ALL
        .iter()
        .map(|code| {
            format!(
                "<tr id=\"{code}\"><th scope=\"row\"><code>{code}</code></th><td>{}</td><td>{}</td></tr>\n",
                code.status(),
                code.title()
            )
        })
        .collect();
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>Refusals · Drift tracker</title><link rel=\"stylesheet\" href=\"{}\">\n\
         <main>\n<p class=\"crumbs\"><a href=\"/docs/\">Docs</a></p>\n<h1>Refusals</h1>\n\
         <p>Every error is a problem document (RFC 9457) with one of these codes, which do not change.</p>\n\
         <section><table class=\"stack\">\n\
         <thead><tr><th scope=\"col\">Code</th><th scope=\"col\">Status</th><th scope=\"col\">Meaning</th></tr></thead>\n\
         <tbody>\n{rows}</tbody></table></section>\n</main>\n</html>\n",
        STYLE.url()
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_served_is_described_and_the_other_way_round() {
        let served = super::super::resources();
        let served = served.map(|it| format!("{} {}", it.method, it.path));
        let document = serde_json::to_value(Api::openapi()).unwrap();
        let described = document["paths"].as_object().unwrap().iter();
        let described = described.flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        let [served, described] = [BTreeSet::from_iter(served), described.collect()];
        assert_eq!(served, described);
    }
}
