//! The standard `OTEL_*` variables, read through the configuration's lookup.
//!
//! Nothing is exported unless an endpoint is named. What the specification would silently ignore is
//! refused here, so that a mistyped value shows at the start and not as a gap in a dashboard.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;
use secrecy::SecretString;
use url::Url;

#[derive(Debug, Clone)]
pub struct OtelSettings {
    /// What describes this process; the last of a name counts.
    pub resource: Vec<(String, String)>,
    pub sampler: Sampler,
    pub metric_interval: Duration,
    pub traces: Option<Export>,
    pub metrics: Option<Export>,
}

/// Where one signal goes, by OTLP over HTTP with protobuf bodies.
#[derive(Debug, Clone)]
pub struct Export {
    /// Complete, with the path.
    pub endpoint: Url,
    /// Collectors take their keys in headers. Percent-encoded, as in the variable.
    pub headers: HashMap<String, SecretString>,
    pub timeout: Duration,
}

impl Default for OtelSettings {
    /// As with no variable at all: nothing is exported.
    fn default() -> Self {
        Self {
            resource: Vec::new(),
            sampler: Sampler::ParentBased(Box::new(Sampler::AlwaysOn)),
            metric_interval: Duration::from_secs(60),
            traces: None,
            metrics: None,
        }
    }
}

impl OtelSettings {
    /// `Err` has one line per problem. An empty variable is an absent one, as the specification says.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let lookup = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let mut reader = Reader {
            lookup: &lookup,
            problems: Vec::new(),
        };
        let settings = reader.settings();
        if reader.problems.is_empty() {
            Ok(settings)
        } else {
            Err(reader.problems)
        }
    }
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn settings(&mut self) -> OtelSettings {
        let mut settings = OtelSettings::default();
        settings
            .resource
            .extend(self.pairs("OTEL_RESOURCE_ATTRIBUTES"));
        if let Some(name) = (self.lookup)("OTEL_SERVICE_NAME") {
            settings.resource.push(("service.name".to_owned(), name));
        }
        if let Some(interval) = self.milliseconds("OTEL_METRIC_EXPORT_INTERVAL") {
            settings.metric_interval = interval;
        }
        if let Some(sampler) = self.sampler() {
            settings.sampler = sampler;
        }
        let disabled = (self.lookup)("OTEL_SDK_DISABLED");
        if !disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            settings.traces = self.export("TRACES", "v1/traces", &["otlp", "none"]);
            // `/metrics` is always there.
            settings.metrics =
                self.export("METRICS", "v1/metrics", &["otlp", "none", "prometheus"]);
        }
        settings
    }

    fn export(&mut self, signal: &str, path: &str, exporters: &[&str]) -> Option<Export> {
        let name = format!("OTEL_{signal}_EXPORTER");
        if let Some(chosen) = (self.lookup)(&name) {
            let mut chosen = chosen.split(',').map(str::trim);
            if let Some(unknown) = chosen.clone().find(|one| !exporters.contains(one)) {
                let known = exporters.join(", ");
                self.problem(&name, format!("{unknown:?} is not one of {known}"));
            }
            if !chosen.any(|one| one == "otlp") {
                return None;
            }
        }
        let endpoint = self.endpoint(signal, path)?;

        let (name, protocol) = self.either(signal, "PROTOCOL").unwrap_or_default();
        if !matches!(protocol.as_str(), "" | "http/protobuf") {
            self.problem(
                &name,
                format!("{protocol:?} is not built in; http/protobuf is"),
            );
        }
        let timeout = self.either(signal, "TIMEOUT").map(|(name, _)| name);
        let timeout = timeout.and_then(|name| self.milliseconds(&name));
        let headers = self.either(signal, "HEADERS").map(|(name, _)| name);
        let headers = headers.map(|name| self.pairs(&name)).unwrap_or_default();
        Some(Export {
            endpoint,
            headers: headers
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
            timeout: timeout.unwrap_or(Duration::from_secs(10)),
        })
    }

    /// A signal's own endpoint is complete; to the common one the signal's path is added.
    fn endpoint(&mut self, signal: &str, path: &str) -> Option<Url> {
        let (name, text) = self.either(signal, "ENDPOINT")?;
        let text = if name.contains(signal) {
            text
        } else {
            format!("{}/{path}", text.trim_end_matches('/'))
        };
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Some(url),
            // Not echoed: a URL may carry a password.
            _ => {
                self.problem(&name, "is not an http or https URL");
                None
            }
        }
    }

    /// The variable of the signal, or else the common one.
    fn either(&self, signal: &str, what: &str) -> Option<(String, String)> {
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_{what}");
        let common = format!("OTEL_EXPORTER_OTLP_{what}");
        [own, common].into_iter().find_map(|name| {
            let value = (self.lookup)(&name)?;
            Some((name, value))
        })
    }

    fn sampler(&mut self) -> Option<Sampler> {
        let name = "OTEL_TRACES_SAMPLER";
        let value = (self.lookup)(name)?;
        let (parent, root) = match value.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, value.as_str()),
        };
        let root = match root {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => {
                let ratio = self.parse::<f64>("OTEL_TRACES_SAMPLER_ARG").unwrap_or(1.0);
                if !(0.0..=1.0).contains(&ratio) {
                    self.problem("OTEL_TRACES_SAMPLER_ARG", "is not between 0 and 1");
                }
                Sampler::TraceIdRatioBased(ratio)
            }
            _ => {
                self.problem(name, format!("{value:?} is not a sampler that is built in"));
                return None;
            }
        };
        Some(if parent {
            Sampler::ParentBased(Box::new(root))
        } else {
            root
        })
    }

    fn pairs(&mut self, name: &str) -> Vec<(String, String)> {
        let text = (self.lookup)(name).unwrap_or_default();
        let entries = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let pairs: Option<Vec<_>> = entries
            .map(|entry| entry.split_once('='))
            .map(|pair| pair.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())))
            .collect();
        // Not echoed either: headers carry keys.
        pairs.unwrap_or_else(|| {
            self.problem(name, "is not a list of name=value, separated by commas");
            Vec::new()
        })
    }

    fn milliseconds(&mut self, name: &str) -> Option<Duration> {
        let value = self.parse::<u64>(name)?;
        if value == 0 {
            self.problem(name, "is zero");
        }
        Some(Duration::from_millis(value))
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let value = (self.lookup)(name)?;
        let parsed = value.trim().parse();
        parsed
            .map_err(|error| self.problem(name, format!("{value:?}: {error}")))
            .ok()
    }

    fn problem(&mut self, name: &str, what: impl Display) {
        let problem = format!("{name}: {what}");
        // Two signals share the common variables.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests;
