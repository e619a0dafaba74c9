//! The services as data: `services.toml`, the built-in one and the user's.

use std::collections::BTreeMap;
use std::path::Path;

use drift_schema::{Host, Service};
use serde::{Deserialize, Deserializer, de};
use url::Url;

use crate::config::{Problems, Settings};
use crate::home::read_if_there;

const BUILT_IN: &str = include_str!("../services.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    services: BTreeMap<Service, ServiceEntry>,
}

/// How a service answers a key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceEntry {
    #[serde(deserialize_with = "http_url")]
    pub base_url: Url,
    pub path: String,
    #[serde(default = "authorization")]
    pub header: String,
    #[serde(default = "bearer")]
    pub prefix: String,
    #[serde(default = "ok")]
    pub valid: Vec<u16>,
    #[serde(default = "refused")]
    pub phantom: Vec<u16>,
    #[serde(default = "limited")]
    pub rate_limited: Vec<u16>,
    /// A JSON pointer.
    #[serde(default)]
    pub expect: Option<String>,
    #[serde(default)]
    pub page_host: Option<Host>,
}

#[derive(Debug, Clone)]
pub struct Services(BTreeMap<Service, ServiceEntry>);

impl Services {
    pub fn read(settings: &Settings) -> Result<Self, Problems> {
        let mut services = parse(BUILT_IN).map_err(Problems::one)?;
        let own = [Some(settings.home.services()), settings.services.clone()];
        for (index, path) in own.iter().enumerate() {
            let Some(path) = path else { continue };
            let asked_for = index == 1;
            services.extend(read(path, asked_for).map_err(Problems::one)?);
        }
        for (service, entry) in &mut services {
            let name = service.as_str().to_uppercase().replace('-', "_");
            let name = format!("AGENTKEYS_{name}_BASE_URL");
            if let Some(url) = settings.environment.get(&name) {
                entry.base_url = parse_url(url)
                    .ok_or_else(|| Problems::one(format!("{name} is not an http or https URL")))?;
            }
        }
        Ok(Self(services))
    }

    pub fn get(&self, service: &Service) -> Option<&ServiceEntry> {
        self.0.get(service)
    }
}

impl ServiceEntry {
    pub fn url(&self) -> String {
        let base = self.base_url.as_str().trim_end_matches('/');
        format!("{base}/{}", self.path.trim_start_matches('/'))
    }
}

fn read(path: &Path, must_be_there: bool) -> Result<BTreeMap<Service, ServiceEntry>, String> {
    let shown = path.display();
    let bytes = read_if_there(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    match bytes {
        None if must_be_there => Err(format!("AGENTKEYS_SERVICES names {shown}: no such file")),
        None => Ok(BTreeMap::new()),
        Some(bytes) => {
            let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8"))?;
            parse(&text).map_err(|error| format!("{shown}: {}", error.trim_end()))
        }
    }
}

fn parse(text: &str) -> Result<BTreeMap<Service, ServiceEntry>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    Ok(file.services)
}

fn parse_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

fn http_url<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    parse_url(&text).ok_or_else(|| de::Error::custom("not an http or https URL"))
}

fn authorization() -> String {
    "Authorization".to_owned()
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

fn ok() -> Vec<u16> {
    vec![200]
}

fn refused() -> Vec<u16> {
    vec![401, 403]
}

fn limited() -> Vec<u16> {
    vec![429]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn the_built_in_services_are_well_formed_and_can_be_sent_elsewhere() {
        let environment = Environment::from_pairs([
            ("HOME", "/nowhere"),
            ("AGENTKEYS_OPENAI_BASE_URL", "http://127.0.0.1:1/x/"),
        ]);
        let services = Services::read(&Settings::read(environment).unwrap()).unwrap();
        let url = |name| services.get(&Service::parse(name).unwrap()).unwrap().url();
        assert_eq!(url("openai"), "http://127.0.0.1:1/x/v1/models");
        assert_eq!(url("openrouter"), "https://openrouter.ai/api/v1/models");
    }
}
