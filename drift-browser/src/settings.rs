//! What the environment says, read once. Variables that a flow names are taken from the same reading.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;
use secrecy::SecretString;

use crate::chromium::Launch;
use crate::flow::{Flow, Source};

/// The variables that a browser may see. No secret of ours is among them.
const FOR_THE_BROWSER: [&str; 12] = [
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "TZ",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "FONTCONFIG_PATH",
    "HTTPS_PROXY",
    "NO_PROXY",
];

pub struct Settings {
    /// `CDP_URL`: a browser that runs already, instead of one of our own.
    pub cdp_url: Option<String>,
    /// `DRIFT_STATE`, else below `XDG_STATE_HOME` or `HOME`.
    pub state: PathBuf,
    /// `DRIFT_LOG`, as in `debug` or `drift_browser=trace`.
    pub log: String,
    program: Option<PathBuf>,
    no_sandbox: bool,
    all: HashMap<String, OsString>,
}

impl Settings {
    pub fn from_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one reading")]
        let all = std::env::vars_os();
        let all = all.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self::from(all.collect())
    }

    fn from(all: HashMap<String, OsString>) -> Self {
        let given = |name: &str| all.get(name).filter(|value| !value.is_empty()).cloned();
        let text = |name: &str| given(name).and_then(|value| value.into_string().ok());
        let state = given("DRIFT_STATE").map(PathBuf::from).unwrap_or_else(|| {
            let below = given("XDG_STATE_HOME").map(PathBuf::from);
            let home = || given("HOME").map(|home| PathBuf::from(home).join(".local/state"));
            let below = below.or_else(home).unwrap_or_default();
            below.join("drift-scraper")
        });
        Self {
            cdp_url: text("CDP_URL"),
            state,
            log: text("DRIFT_LOG").unwrap_or_else(|| "warn".to_owned()),
            program: given("DRIFT_CHROMIUM").map(PathBuf::from),
            no_sandbox: text("DRIFT_NO_SANDBOX").is_some_and(|value| value != "0"),
            all,
        }
    }

    pub fn launch(&self) -> Launch {
        let environment = FOR_THE_BROWSER.iter().filter_map(|name| {
            let value = self.all.get(*name)?.clone();
            Some(((*name).to_owned(), value))
        });
        Launch {
            program: self.program.clone(),
            no_sandbox: self.no_sandbox,
            environment: environment.collect(),
            ..Launch::default()
        }
    }

    /// The variables that a flow names, from `NAME` or from the file that `NAME_FILE` names.
    pub fn variables(&self, flow: &Flow) -> anyhow::Result<HashMap<String, SecretString>> {
        let mut variables = HashMap::new();
        for value in flow.values.values() {
            let Source::Environment { name, .. } = &value.source else {
                continue;
            };
            let direct = self.all.get(name).filter(|value| !value.is_empty());
            let text = match (direct, self.all.get(&format!("{name}_FILE"))) {
                (Some(value), _) => value
                    .to_str()
                    .with_context(|| format!("{name} is not UTF-8"))?
                    .to_owned(),
                (None, Some(file)) => {
                    let text = std::fs::read_to_string(file)
                        .with_context(|| format!("cannot read the file that {name}_FILE names"))?;
                    text.trim_end_matches(['\r', '\n']).to_owned()
                }
                (None, None) => continue,
            };
            variables.insert(name.clone(), text.into());
        }
        Ok(variables)
    }
}
