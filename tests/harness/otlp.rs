//! An OpenTelemetry collector that keeps what it receives: OTLP over HTTP, protobuf bodies.
//!
//! On threads of its own, so that it also takes what a server sends while the test's runtime is busy.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
use prost::Message as _;
use tokio::sync::watch;

/// Longer than any export interval that a test sets.
const PATIENCE: Duration = Duration::from_secs(20);

pub type Attributes = BTreeMap<String, String>;

#[derive(Debug, Clone)]
pub struct Span {
    pub name: String,
    /// In lower-case hex, as in `traceparent`.
    pub trace_id: String,
    /// Empty at the root of a trace.
    pub parent_span_id: String,
    pub attributes: Attributes,
    pub resource: Attributes,
}

#[derive(Debug, Clone)]
pub struct Metric {
    pub unit: String,
    pub resource: Attributes,
    /// A counter's or gauge's value, a histogram's count.
    pub points: Vec<(Attributes, f64)>,
}

impl Metric {
    /// The value of the point with this label.
    pub fn at(&self, label: &str, value: &str) -> Option<f64> {
        let mut points = self.points.iter();
        let found =
            points.find(|(attributes, _)| attributes.get(label).is_some_and(|it| it == value));
        found.map(|(_, value)| *value)
    }

    /// The sum over all labels.
    pub fn total(&self) -> f64 {
        self.points.iter().map(|(_, value)| value).sum()
    }
}

#[derive(Debug, Default)]
pub struct Received {
    pub spans: Vec<Span>,
    /// The latest state of each process that exports here.
    pub metrics: BTreeMap<String, Metric>,
    /// Headers of the last request, in lower case.
    pub headers: Attributes,
}

#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    received: watch::Sender<Received>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let received = watch::Sender::new(Received::default());
        thread::spawn({
            let received = received.clone();
            // Ends with the test process; an idle listener harms nobody.
            move || {
                for connection in listener.incoming().flatten() {
                    let received = received.clone();
                    thread::spawn(move || serve(connection, &received));
                }
            }
        });
        Self { address, received }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until what was received satisfies `enough`, then shows it to `look`.
    pub async fn when<T>(
        &self,
        enough: impl FnMut(&Received) -> bool,
        look: impl FnOnce(&Received) -> T,
    ) -> T {
        let mut changes = self.received.subscribe();
        match tokio::time::timeout(PATIENCE, changes.wait_for(enough)).await {
            Ok(Ok(received)) => look(&received),
            _ => panic!(
                "not within {PATIENCE:?}; received: {:#?}",
                self.received.borrow()
            ),
        }
    }

    /// The first span like this, waiting for it if need be.
    pub async fn span(&self, like: impl Fn(&Span) -> bool) -> Span {
        let look = |received: &Received| received.spans.iter().find(|span| like(span)).cloned();
        let span = self.when(|received| look(received).is_some(), look).await;
        span.expect("found a moment ago")
    }

    /// The metric of this name, once it satisfies `enough`.
    pub async fn metric(&self, name: &str, enough: impl Fn(&Metric) -> bool) -> Metric {
        let found = |received: &Received| received.metrics.get(name).is_some_and(&enough);
        self.when(found, |received| received.metrics[name].clone())
            .await
    }
}

fn serve(connection: TcpStream, received: &watch::Sender<Received>) -> io::Result<()> {
    let mut answers = connection.try_clone()?;
    let mut requests = BufReader::new(connection);
    while let Some((path, headers, body)) = read_request(&mut requests)? {
        let mut understood = true;
        received.send_modify(|received| {
            received.headers = headers;
            understood = received.take(&path, &body).is_some();
        });
        let status = if understood {
            "200 OK"
        } else {
            "400 Bad Request"
        };
        // An empty protobuf message: everything was accepted.
        write!(answers, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(())
}

fn read_request(
    requests: &mut impl io::BufRead,
) -> io::Result<Option<(String, Attributes, Vec<u8>)>> {
    let mut lines = requests.by_ref().lines();
    let Some(first) = lines.next().transpose()? else {
        return Ok(None);
    };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Attributes::new();
    for line in lines {
        match line?.split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    requests.read_exact(&mut body)?;
    Ok(Some((path, headers, body)))
}

impl Received {
    /// `None`: not something that a collector understands.
    fn take(&mut self, path: &str, body: &[u8]) -> Option<()> {
        match path {
            "/v1/traces" => self.take_spans(ExportTraceServiceRequest::decode(body).ok()?),
            "/v1/metrics" => self.take_metrics(ExportMetricsServiceRequest::decode(body).ok()?),
            _ => return None,
        }
        Some(())
    }

    fn take_spans(&mut self, request: ExportTraceServiceRequest) {
        for group in request.resource_spans {
            let resource = attributes(group.resource.map(|it| it.attributes).unwrap_or_default());
            let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.extend(spans.map(|span| Span {
                name: span.name,
                trace_id: hex::encode(span.trace_id),
                parent_span_id: hex::encode(span.parent_span_id),
                attributes: attributes(span.attributes),
                resource: resource.clone(),
            }));
        }
    }

    fn take_metrics(&mut self, request: ExportMetricsServiceRequest) {
        for group in request.resource_metrics {
            let resource = attributes(group.resource.map(|it| it.attributes).unwrap_or_default());
            let metrics = group
                .scope_metrics
                .into_iter()
                .flat_map(|scope| scope.metrics);
            for metric in metrics {
                let seen = Metric {
                    unit: metric.unit,
                    resource: resource.clone(),
                    points: metric.data.map(points).unwrap_or_default(),
                };
                self.metrics.insert(metric.name, seen);
            }
        }
    }
}

fn points(data: Data) -> Vec<(Attributes, f64)> {
    let number = |value: Option<number_data_point::Value>| match value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => f64::NAN,
    };
    match data {
        Data::Gauge(gauge) => {
            let points = gauge.data_points.into_iter();
            points
                .map(|point| (attributes(point.attributes), number(point.value)))
                .collect()
        }
        Data::Sum(sum) => {
            let points = sum.data_points.into_iter();
            points
                .map(|point| (attributes(point.attributes), number(point.value)))
                .collect()
        }
        Data::Histogram(histogram) => {
            let points = histogram.data_points.into_iter();
            points
                .map(|point| (attributes(point.attributes), point.count as f64))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    let text = |pair: KeyValue| {
        let value = match pair.value.and_then(|value| value.value)? {
            Value::StringValue(text) => text,
            Value::IntValue(number) => number.to_string(),
            Value::DoubleValue(number) => number.to_string(),
            Value::BoolValue(truth) => truth.to_string(),
            other => format!("{other:?}"),
        };
        Some((pair.key, value))
    };
    pairs.into_iter().filter_map(text).collect()
}
