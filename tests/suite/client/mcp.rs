//! The MCP server, asked by the official client over standard input and output.

use harness::agentkeys::{KEY, Machine, is_gone};
use harness::{Engine, Provider, Server, eventually, report};
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::RunningService;
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::task::JoinSet;

struct Session {
    client: RunningService<RoleClient, ()>,
    server: Child,
}

impl Session {
    async fn on(machine: &Machine) -> Self {
        let mut command = machine.command(&["mcp"]);
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut server = command.spawn().unwrap();
        let pipes = (server.stdout.take().unwrap(), server.stdin.take().unwrap());
        let client = ().serve(pipes).await.unwrap();
        Self { client, server }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let arguments = arguments.as_object().unwrap().clone();
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        self.client.call_tool(call).await.unwrap()
    }

    /// Closing its input ends it.
    async fn end(mut self) {
        self.client.cancel().await.unwrap();
        assert!(self.server.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn an_agent_sees_two_tools_and_what_they_answer() {
    let session = Session::on(&Machine::default()).await;
    let info = session.client.peer_info().unwrap();
    let info = serde_json::to_value(info).unwrap();
    assert_eq!(info["serverInfo"]["name"], "agentkeys");
    let tools = session.client.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names, ["agentkeys.drift_known", "agentkeys.provision"]);
    for tool in &tools {
        let output = tool.output_schema.as_ref().unwrap();
        assert!(
            output["properties"]
                .as_object()
                .unwrap()
                .contains_key("code")
        );
        assert_eq!(tool.input_schema["required"], json!(["service"]));
    }
    session.end().await;
}

#[tokio::test]
async fn an_agent_gets_a_masked_key_a_tripwire_or_a_code() {
    let provider = Provider::with(&[KEY]).await;
    let success = format!("success:{KEY}");
    let mut machine = provider.for_machine(Machine::scraping(&["progress:login", &success]));
    machine.scraper("openrouter", "", &["evidence:selector-missing:signup-form"]);
    let session = Session::on(&machine).await;

    let made = session
        .call("agentkeys.provision", json!({"service": "openai"}))
        .await;
    let answer = made.structured_content.clone().unwrap();
    assert_eq!(
        (made.is_error, &answer["outcome"]),
        (Some(false), &json!("provisioned"))
    );
    assert_eq!(answer["key"], "sk-proj-****...1cY6");
    assert!(!serde_json::to_string(&made).unwrap().contains(KEY));

    let tripped = session
        .call("agentkeys.provision", json!({"service": "openrouter"}))
        .await;
    let answer = tripped.structured_content.unwrap();
    assert_eq!(
        (tripped.is_error, &answer["code"]),
        (Some(false), &json!("NEEDS_FALLBACK"))
    );

    let failed = session
        .call(
            "agentkeys.provision",
            json!({"service": "nobody", "force": true}),
        )
        .await;
    let answer = failed.structured_content.unwrap();
    assert_eq!(
        (failed.is_error, &answer["code"]),
        (Some(true), &json!("SCRAPER_NOT_CONFIGURED"))
    );

    for wrong in [
        json!({"service": "Not A Service"}),
        json!({}),
        json!({"service": "openai", "sudo": true}),
    ] {
        let call = CallToolRequestParams::new("agentkeys.provision")
            .with_arguments(wrong.as_object().unwrap().clone());
        let refused = session.client.call_tool(call).await;
        assert!(
            refused.is_err() || refused.unwrap().is_error == Some(true),
            "{wrong}"
        );
    }
    session.end().await;
}

#[tokio::test]
async fn an_agent_that_leaves_or_ends_the_server_leaves_an_end_in_the_audit() {
    for politely in [true, false] {
        let mut machine = Machine::default();
        let (began, child) = (
            machine.file("touch", "began"),
            machine.file("detach", "child"),
        );
        machine.scraper("openai", "", &[&child, &began, "sleep"]);
        let mut session = Session::on(&machine).await;
        let pid = session.server.id().unwrap();
        let call = CallToolRequestParams::new("agentkeys.provision")
            .with_arguments(json!({"service": "openai"}).as_object().unwrap().clone());
        let client = session.client.peer().clone();
        let mut calls = JoinSet::new();
        calls.spawn(async move { client.call_tool(call).await.map(drop) });
        eventually("the scraper runs", async || {
            machine.path("began").exists().then_some(())
        })
        .await;
        if politely {
            session.client.cancel().await.unwrap();
        } else {
            let line = format!("kill -TERM {pid}");
            let mut told = tokio::process::Command::new("sh");
            assert!(told.args(["-c", &line]).status().await.unwrap().success());
        }
        assert!(session.server.wait().await.unwrap().success());
        // Its answer may or may not have come through.
        let _ = calls.join_next().await;
        assert_eq!(machine.audit(), ["started", "finished failed INTERRUPTED"]);
        eventually("nobody is left", async || {
            is_gone(&machine.path("child")).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_agent_learns_what_is_known_to_be_broken() {
    let (server, [ingest]) = Server::with_keys(Engine::Sqlite, ["ingest"]).await;
    server
        .report(&ingest, &report("openai", "signup-form"))
        .await;
    let machine = Machine::scraping(&["evidence:selector-missing:signup-form"])
        .with("DRIFT_DSN", &server.dsn(&ingest));
    machine.provision().await.ended(3);
    let session = Session::on(&machine).await;

    let one = session
        .call(
            "agentkeys.drift_known",
            json!({"service": "openai", "step": "login"}),
        )
        .await;
    assert_eq!(one.structured_content.unwrap()["steps"][0]["known"], false);
    let all = session
        .call("agentkeys.drift_known", json!({"service": "openai"}))
        .await;
    let all = all.structured_content.unwrap();
    assert_eq!(all["steps"][0]["step"], "signup-form");
    assert_eq!(all["steps"][0]["known"], true);
    assert!(all["steps"][0]["last_tripped_here"].is_string());
    session.end().await;
    server.finish().await;

    let mut machine = machine;
    for (dsn, code) in [
        ("http://k@127.0.0.1:1/", "BACKEND_UNREACHABLE"),
        ("", "NO_DSN"),
    ] {
        machine.set("DRIFT_DSN", dsn);
        let session = Session::on(&machine).await;
        let down = session
            .call("agentkeys.drift_known", json!({"service": "openai"}))
            .await;
        let answer = down.structured_content.unwrap();
        assert_eq!((down.is_error, &answer["code"]), (Some(true), &json!(code)));
        // What is known here is said all the same.
        assert_eq!(answer["steps"][0]["step"], "signup-form");
        session.end().await;
    }
}
