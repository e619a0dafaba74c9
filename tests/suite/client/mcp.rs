//! The MCP server, asked by the official client over standard input and output.

use harness::agentkeys::{KEY, Machine};
use harness::{Engine, Provider, Server, report};
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::RunningService;
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::{Value, json};
use tokio::process::Child;

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
    let session = Session::on(&Machine::new()).await;
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
async fn an_agent_learns_what_is_known_to_be_broken() {
    let server = Server::on(Engine::Sqlite).await;
    let ingest = server.create_key("ingest").await;
    server
        .report(&ingest, &report("openai", "signup-form"))
        .await;
    let machine = Machine::scraping(&["evidence:selector-missing:signup-form"])
        .with("DRIFT_DSN", &format!("http://{ingest}@{}/", server.address));
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
