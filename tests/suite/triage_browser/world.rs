//! What the pages show: a backend, a runner with a scraper, and what has happened before somebody looks.

use harness::agentkeys::program;
use harness::site::{OPENAI, RunningSite};
use harness::{Engine, Outpost, Server, report};
use serde_json::{Value, json};

/// As the hash of a step's name is computed by hand.
const SIGNUP_FORM: &str = "780a5726bba40e29925b8a4c32d3dfb2bf1357e6162418bbb587fc9ab4b1ff2f";

/// Text that would do something if it were markup. Each stands where a stranger can write.
pub const HOSTILE: [&str; 5] = [
    "<script>hostile=true</script>",
    "<img src=x onerror=hostile=true>",
    "\"><svg onload=hostile=true>",
    "</pre><iframe srcdoc=hostile>",
    "</title><base data-hostile>",
];

pub struct World {
    server: Server,
    outpost: Outpost,
    ingest: String,
    admin: String,
    _site: Option<RunningSite>,
}

impl World {
    async fn empty(engine: Engine) -> Self {
        let scopes = ["ingest", "runner", "admin"];
        let (server, [ingest, runner, admin]) = Server::with_keys(engine, scopes).await;
        let outpost = Outpost::at(&server.base, &runner);
        Self {
            server,
            outpost,
            ingest,
            admin,
            _site: None,
        }
    }

    /// A page that was well at the last replay, and has another shape now. Nobody has reported it.
    pub async fn with_a_changed_page(engine: Engine) -> Self {
        let mut world = Self::empty(engine).await;
        let walked = json!({"type": "progress", "step": "verify", "tree": tree("link \"Old\"")});
        world.outpost.scraper(
            "openai",
            &[
                "progress:signup-form",
                &format!("line:{walked}"),
                "error:done",
            ],
        );
        world
            .outpost
            .run(&["replay", "--service", "openai"])
            .await
            .ended(0);
        world.outpost.scraper(
            "openai",
            &["progress:signup-form", &tripwire("button \"New\"")],
        );
        world
    }

    /// The drift of the demo: a page that was well, new terms over it, reports of two versions, a confirmed replay in Chromium.
    pub async fn with_a_real_drift(engine: Engine) -> Self {
        let mut world = Self::empty(engine).await;
        let site = RunningSite::start(OPENAI, &[], None).await;
        let flow = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/demo.toml");
        let command = json!([
            program("drift-scraper-under-test"),
            "run",
            flow,
            "--map",
            site.mapping()
        ]);
        let table = format!(
            "[scrapers.openai]\ncommand = {command}\ngrant = [\"DRIFT_NO_SANDBOX\"]\nbudget = {{ per_day = 100, cooldown = \"1ms\" }}\n"
        );
        std::fs::write(world.outpost.path("scrapers.toml"), table).unwrap();
        world.outpost.set("DRIFT_NO_SANDBOX", "1");
        let home = world.outpost.folder().display().to_string();
        world.outpost.set("HOME", &home);

        let well = world
            .outpost
            .run(&["replay", "--service", "openai", "--json"])
            .await
            .ended(0);
        assert_eq!(
            well.json()["services"][0]["replay"],
            "passed every step",
            "{}",
            well.stdout
        );
        site.switch(&["tos"]).await;
        for version in ["1.4.2", "1.4.2", "1.5.0"] {
            let mut one = report("openai", "signup-form");
            one["scraper_version"] = json!(version);
            one["url_host"] = json!("platform.openai.com");
            world.server.report(&world.ingest, &one).await;
        }
        world
            .server
            .report(&world.ingest, &report("openrouter", "create-key"))
            .await;
        let tick = world.outpost.run(&["tick", "--json"]).await;
        assert_eq!(
            tick.json()["drifts"][0]["action"],
            "opened",
            "{}",
            tick.stdout
        );
        world._site = Some(site);
        world
    }

    pub async fn with_hostile_words(engine: Engine) -> Self {
        let mut world = Self::empty(engine).await;
        let [words, runner, log, resource, key] = HOSTILE;
        world.outpost.set("DRIFT_RUNNER_NAME", runner);
        let hostile = format!("button \"{words}\"");
        let walked = json!({"type": "progress", "step": "verify", "tree": tree(&hostile.replace("button", "link"))});
        let made = json!({"type": "resource", "kind": "account", "id": resource});
        let (log, made) = (format!("stderr:{log}"), format!("line:{made}"));
        world.outpost.scraper(
            "openai",
            &[
                "progress:signup-form",
                &format!("line:{walked}"),
                "error:captcha",
            ],
        );
        world.outpost.run(&["replay", "--service", "openai"]).await;
        world.outpost.scraper(
            "openai",
            &["progress:signup-form", &made, &log, &tripwire(&hostile)],
        );
        world
            .server
            .report(&world.ingest, &report("openai", "signup-form"))
            .await;
        world.tick().await;
        world
            .server
            .site
            .ok(&["key", "create", "--scope", "read", "--name", key])
            .await;
        world
    }

    /// One pass of the runner; its summary.
    pub async fn tick(&self) -> Value {
        let tick = self.outpost.run(&["tick", "--json"]).await;
        assert!(tick.code.is_some_and(|code| code < 2), "{}", tick.stderr);
        tick.json()
    }

    /// What the browser's side has to know.
    pub async fn told(&self, mut more: Value) -> Value {
        let mut pages = json!({
            "overview": "/", "runs": "/runs", "events": "/events", "keys": "/keys",
            "drift": format!("/drifts/openai/{SIGNUP_FORM}"), "nothing": "/drifts/openai/none",
        });
        let runs = self
            .server
            .get(&self.admin, "/drift/events?limit=1000")
            .await;
        let events = runs["events"].as_array().unwrap().iter();
        let run = events.rev().find_map(|event| event["data"]["run"].as_str());
        if let Some(run) = run {
            pages["run"] = json!(format!("/runs/{run}"));
        }
        more["base"] = json!(self.server.base);
        more["ingest"] = json!(self.ingest);
        more["admin"] = json!(self.admin);
        more["pages"] = pages;
        more
    }

    pub async fn finish(self) {
        self.server.finish().await;
    }
}

fn tree(line: &str) -> String {
    format!("- main:\n  - heading \"Create your account\"\n  - {line}\n")
}

/// A last line with such a tree, and a picture: the smallest PNG, one black pixel.
fn tripwire(line: &str) -> String {
    let line = json!({
        "type": "tripwire", "kind": "selector-missing", "step": "signup-form", "url": "https://platform.openai.com/",
        "dom_digest": "ab".repeat(32), "scraper_version": "1.4.2", "tree": tree(line),
        "screenshot_b64": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==",
    });
    format!("line:{line}")
}
