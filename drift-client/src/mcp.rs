//! The MCP server: the two questions of the command line, for agents, over standard input and output. Nothing else may
//! be written to standard output while it runs.

mod known;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use drift_schema::scraper::Line;
use drift_schema::{Service, Step};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, Implementation, ProgressNotificationParam, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _, tool, tool_handler, tool_router,
};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::config::Settings;
use crate::provision::{Provisioner, Stage, Summary};
use crate::scraper::Supervisor;

pub(crate) async fn serve(settings: Settings, supervisor: Supervisor) -> anyhow::Result<ExitCode> {
    let tools = Tools {
        settings: Arc::new(settings.clone()),
        provisioner: Arc::new(Provisioner::new(settings, supervisor)),
    };
    let service = tools.serve(rmcp::transport::stdio()).await;
    let service = service.context("no MCP client began a session on standard input")?;
    // Ends when the client closes our standard input; a scraper that still runs ends with us.
    service.waiting().await?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Clone)]
struct Tools {
    settings: Arc<Settings>,
    provisioner: Arc<Provisioner>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProvisionRequest {
    /// The service, as in `openai`: lower-case letters, digits and dashes.
    service: String,
    /// Make a new key even if the stored one still works.
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct KnownRequest {
    /// The service, as in `openai`.
    service: String,
    /// The step, as in `signup-form`. Without it: every step of the service that has tripped on this machine.
    #[serde(default)]
    step: Option<String>,
}

#[tool_router]
impl Tools {
    /// Get an API key for a service. Verifies and keeps the stored key, or runs the service's scraper to make one.
    /// The key itself is never returned, only its mask and the file it is in. `outcome` is `provisioned`, `already_valid`,
    /// `needs_fallback` (the page has changed; not an error) or `failed`, with a `code` to match on and an `advice`.
    #[tool(name = "agentkeys.provision", output_schema = rmcp::handler::server::tool::schema_for_output::<Summary>())]
    async fn provision(
        &self,
        Parameters(request): Parameters<ProvisionRequest>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let service = parsed("service", Service::parse(&request.service))?;
        let (told, mut heard) = mpsc::channel(16);
        let mut last = String::new();
        let stop = context.ct.clone();
        let work = self.provisioner.provision(
            &service,
            request.force,
            move |stage| {
                let text = stage_text(&stage);
                if text != last {
                    // A client that does not keep up misses a step, and holds up nobody.
                    let _ = told.try_send(text.clone());
                    last = text;
                }
            },
            stop.cancelled(),
        );
        let token = context.meta.get_progress_token();
        let tell = async {
            let mut count = 0.0;
            while let Some(text) = heard.recv().await {
                if let Some(token) = &token {
                    count += 1.0;
                    let progress =
                        ProgressNotificationParam::new(token.clone(), count).with_message(text);
                    let _ = context.peer.notify_progress(progress).await;
                }
            }
        };
        let (summary, ()) = tokio::join!(work, tell);
        answer(&summary, summary.outcome == "failed")
    }

    /// Ask whether a step of a service's page is known to be broken, and whether somebody is on it: before a
    /// scraper is started that must fail. Without `step`: all steps that have tripped on this machine.
    #[tool(name = "agentkeys.drift_known", output_schema = rmcp::handler::server::tool::schema_for_output::<known::Answer>(), annotations(read_only_hint = true))]
    async fn drift_known(
        &self,
        Parameters(request): Parameters<KnownRequest>,
    ) -> Result<CallToolResult, ErrorData> {
        let service = parsed("service", Service::parse(&request.service))?;
        let step = request.step.as_deref().map(Step::parse).transpose();
        let known = known::ask(&self.settings, &service, parsed("step", step)?).await;
        answer(&known, known.code.is_some())
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let itself = Implementation::new("agentkeys", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(itself)
            .with_instructions(
                "Gets API keys by scraper. `needs_fallback` means that the provider's page has changed: \
                 do not try again, tell the person, and name the fallback file.",
            )
    }
}

fn parsed<T>(field: &str, value: Result<T, drift_schema::words::NotA>) -> Result<T, ErrorData> {
    value.map_err(|rule| ErrorData::invalid_params(format!("{field}: {rule}"), None))
}

fn answer(value: &impl serde::Serialize, failed: bool) -> Result<CallToolResult, ErrorData> {
    let value = serde_json::to_value(value)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(if failed {
        CallToolResult::structured_error(value)
    } else {
        CallToolResult::structured(value)
    })
}

fn stage_text(stage: &Stage<'_>) -> String {
    match stage {
        Stage::Checking => "asking whether the stored key still works".to_owned(),
        Stage::Verifying => "asking whether the new key works".to_owned(),
        Stage::Scraping(Line::Progress(progress)) => progress.step.to_string(),
        Stage::Scraping(_) => "something was made at the provider".to_owned(),
    }
}
