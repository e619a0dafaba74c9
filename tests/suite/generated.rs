//! Files that are printed from the code and checked in, so that a change of the contract shows in a review. And
//! whether they tell the truth about a running server.

mod conforms;

use std::path::{Path, PathBuf};

use drift_schema::{Code, describe};
use harness::server::{Engine, Server, Site};
use harness::{report, server};
use serde_json::Value;

use conforms::assert_conforms;

#[tokio::test]
async fn the_example_of_the_configuration_is_current() {
    let site = Site::new(Engine::Sqlite).await;
    let printed = site.ok(&["check-config", "--example"]).await;
    assert_current(".env.example", &printed);
}

#[test]
fn the_json_schemas_are_current() {
    let schemas = describe::json_schemas();
    let folder = root().join("schema/json");
    std::fs::create_dir_all(&folder).unwrap();
    let known = |name: &str| schemas.iter().any(|(known, _)| file_of(known) == name);
    for file in std::fs::read_dir(&folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(
            known(&name),
            "schema/json/{name} describes nothing; remove it"
        );
    }
    for (name, schema) in &schemas {
        let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
        assert_current(&format!("schema/json/{}", file_of(name)), &text);
    }
}

#[test]
fn the_types_for_scrapers_in_typescript_are_current() {
    assert_current("schema/scraper.d.ts", &describe::scraper_types());
}

#[test]
fn the_lines_of_a_scraper_are_what_their_schema_says() {
    let digest = "0".repeat(64);
    for line in [
        serde_json::json!({"type": "progress", "step": "login"}),
        serde_json::json!({"type": "resource", "kind": "account", "id": "1"}),
        serde_json::json!({"type": "tripwire", "kind": "timeout", "step": "login"}),
        serde_json::json!({"type": "tripwire", "kind": "timeout", "step": "login", "url": "https://a.example/",
            "screenshot_b64": "aGk=", "dom_digest": digest, "scraper_version": "1.0.0", "tree": "root",
            "resume_token": "0199aa00-0000-7000-8000-000000000001"}),
        serde_json::json!({"type": "success", "api_key": "k"}),
        serde_json::json!({"type": "error", "code": "captcha"}),
    ] {
        let read = drift_schema::scraper::Line::parse(line.to_string().as_bytes()).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written, line);
        assert_conforms("scraper", &written);
    }
}

#[tokio::test]
async fn the_openapi_document_is_current_and_the_one_that_is_served() {
    let server = Server::on(Engine::Sqlite).await;
    let printed = server.site.ok(&["openapi"]).await;
    assert_current("schema/openapi.json", &printed);

    let served: Value = fetch(&server, "/openapi.json").await.json().await.unwrap();
    assert_eq!(served, serde_json::from_str::<Value>(&printed).unwrap());
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1."));

    // Whatever it describes is there. (The other way round is a test beside the routes.)
    for (path, operations) in served["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let path = path
                .replace("{run}", "01a1fe0f-cec9-7253-99ea-7b3bfbf1b9eb")
                .replace("{service}", "openai")
                .replace("{step_hash}", &"ab".repeat(32))
                .replace("{sha256}", &"ab".repeat(32));
            let request = server.client.request(method, server.url(&path));
            let status = request.send().await.unwrap().status().as_u16();
            // A webhook brings a signature in the place of a key.
            let locked = operation.get("security").is_some() || path.starts_with("/hooks/");
            assert_eq!(status, if locked { 401 } else { 200 }, "{path}");
        }
    }
    server.finish().await;
}

#[tokio::test]
async fn every_refusal_is_documented_with_its_status() {
    let server = Server::on(Engine::Sqlite).await;
    let api: Value = fetch(&server, "/openapi.json").await.json().await.unwrap();
    let page = fetch(&server, "/docs/problems").await.text().await.unwrap();
    let table = api["components"]["schemas"]["Code"]["description"].as_str();
    let mut somewhere = String::new();
    for (path, operations) in api["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let text = response["description"].as_str().unwrap();
                for code in Code::ALL {
                    if text.contains(&format!("`{code}`")) {
                        assert_eq!(status, &code.status().to_string(), "{code} at {path}");
                        somewhere += &format!("`{code}`");
                    }
                }
            }
        }
    }
    for code in Code::ALL {
        let line = format!("- `{code}` ({}): {}\n", code.status(), code.title());
        assert!(table.unwrap().contains(&line), "{line}");
        let row = format!(
            "<tr id=\"{code}\"><th scope=\"row\"><code>{code}</code></th><td>{}</td>",
            code.status()
        );
        assert!(page.contains(&row), "{row}");
        // What no resource can be blamed for is in the table alone.
        let of_none = matches!(
            code,
            Code::NotFound | Code::MethodNotAllowed | Code::MalformedRequest
        );
        assert!(
            of_none || somewhere.contains(&format!("`{code}`")),
            "{code} is at no resource"
        );
    }
    server.finish().await;
}

#[tokio::test]
async fn the_page_to_browse_the_api_needs_no_internet() {
    let server = Server::on(Engine::Sqlite).await;
    let moved = fetch(&server, "/docs").await;
    assert_eq!(
        (moved.status().as_u16(), &moved.headers()["location"]),
        (307, &"/docs/".parse().unwrap())
    );
    let page = fetch(&server, "/docs/").await;
    // A browser holds itself to this, whatever the scripts try.
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'self'; ") && !policy.contains("http"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    let mut loaded = quoted_after(&page, &["src=\"", "href=\""]);
    loaded.sort_unstable();
    assert!(loaded.len() > 4, "{page}");
    for asset in loaded {
        assert!(!asset.contains("//"), "{asset} is elsewhere");
        let answer = fetch(
            &server,
            &format!("/docs/{}", asset.trim_start_matches("./")),
        )
        .await;
        assert_eq!(answer.status(), 200, "{asset}");
        let bytes = answer.bytes().await.unwrap();
        assert!(!bytes.is_empty(), "{asset}");
        let text = String::from_utf8_lossy(&bytes);
        if asset.ends_with(".css") {
            for url in quoted_after(&text, &["url(\"", "@import \""]) {
                assert!(!url.starts_with("http"), "{asset} loads {url}");
            }
        }
        if asset.ends_with("initializer.js") {
            assert!(
                text.contains("\"/openapi.json\"") && !text.contains("http"),
                "{text}"
            );
            assert!(text.contains("\"validatorUrl\": \"none\""), "{text}");
        }
    }
    server.finish().await;
}

#[tokio::test]
async fn answers_are_what_their_schemas_say() {
    let (server, [key]) = Server::with_keys(Engine::Sqlite, ["admin"]).await;
    let one = report("openai", "signup-form");
    assert_conforms("report", &one);
    assert_conforms("accepted", &server.report(&key, &one).await);
    let lines = format!("{}\n{{}}\n{one}\n", report("openai", "login"));
    assert_conforms(
        "accepted-lines",
        &server.send_lines(&key, &lines).await.json().await.unwrap(),
    );
    for (name, path) in [
        ("known", "/drift/known?service=openai&step=signup-form"),
        ("known", "/drift/known?service=openai&step=never"),
        ("fresh", "/drift/fresh"),
        ("fresh", "/drift/fresh?window=60"),
        ("batches", "/drift/batches?limit=1"),
        ("batches", "/drift/batches"),
        ("events", "/drift/events"),
        ("events", "/drift/events?limit=1"),
    ] {
        assert_conforms(name, &server.get(&key, path).await);
    }
    for path in ["/drift/fresh?window=soon", "/nowhere", "/healthz/"] {
        let answer = server
            .client
            .get(server.url(path))
            .bearer_auth(&key)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_conforms("problem", &answer.json().await.unwrap());
    }
    let refused = server.send(&key, &serde_json::json!({"service": 7})).await;
    assert_conforms("problem", &refused.json().await.unwrap());
    server.finish().await;
}

/// Holds a checked-in file against what the program prints now; writes it with `UPDATE_GENERATED=1`.
#[expect(
    clippy::disallowed_methods,
    reason = "a switch of this test, not of the product"
)]
fn assert_current(name: &str, text: &str) {
    let path = root().join(name);
    if std::env::var("UPDATE_GENERATED").is_ok_and(|update| update == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == text,
        "{name} is stale. Write it anew, and look at what changed:\n\n  \
         UPDATE_GENERATED=1 cargo test --workspace --test suite generated\n"
    );
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests/ is in the workspace")
        .to_owned()
}

fn file_of(name: &str) -> String {
    format!("{name}.schema.json")
}

async fn fetch(server: &Server, path: &str) -> reqwest::Response {
    // The harness's client has no gzip, and the viewer's files have no other form: bytes are enough here.
    let client = server::client();
    client
        .get(server.url(path))
        .send()
        .await
        .expect("an answer")
}

/// What stands between one of the openings and the next quote.
fn quoted_after<'a>(text: &'a str, openings: &[&str]) -> Vec<&'a str> {
    let after = |opening| {
        text.split(opening)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
    };
    openings
        .iter()
        .flat_map(|opening| after(*opening))
        .collect()
}
