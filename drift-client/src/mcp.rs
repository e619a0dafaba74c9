//! The MCP server: the same two questions as on the command line, for agents, over standard input and output.
use crate::config::Settings;
use crate::scraper::Supervisor;
use std::process::ExitCode;
pub(crate) async fn serve(
    _settings: Settings,
    _supervisor: Supervisor,
) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
