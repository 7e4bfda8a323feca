//! The settings of the OTLP export, from OpenTelemetry's environment variables.
//!
//! In: environment variables; those for traces take precedence over those for all signals. Out:
//! settings, or which variable is invalid.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

/// OTLP's own defaults (opentelemetry.io/docs/specs/otel/protocol/exporter).
const TIMEOUT: Duration = Duration::from_secs(10);
const GRPC_ENDPOINT: &str = "http://localhost:4317";
const HTTP_ENDPOINT: &str = "http://localhost:4318";
const TRACES_PATH: &str = "v1/traces";
/// B3's header for "not sampled", which needs no ids. The agent sees its own export as it sees all
/// traffic of the node: with `--untraced` each export would make a trace, whose export would make
/// another.
const NO_TRACE: (&str, &str) = ("b3", "0");

/// Why a variable is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The endpoint is no URL of http or https.
    #[error("OTLP endpoint {0:?}: expected a URL like http://collector:4318")]
    Endpoint(String),
    /// Compression is not implemented.
    #[error("OTLP compression {0:?} is not supported: expected none")]
    Compression(String),
}

/// Where and how spans are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Over gRPC, not as protobuf over HTTP.
    pub(super) grpc: bool,
    /// With gRPC it has no path.
    pub(super) endpoint: Uri,
    pub(super) headers: HeaderMap,
    /// The timeout of one request.
    pub(super) timeout: Duration,
}

impl Settings {
    /// Reads the variables.
    ///
    /// # Errors
    /// When the endpoint is invalid, or compression is set. An invalid header is left out, and an
    /// invalid timeout is the default, as OpenTelemetry specifies.
    pub(super) fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let set = |name: String| variable(&name).filter(|value| !value.is_empty());
        let for_traces = |what: &str| set(format!("OTEL_EXPORTER_OTLP_TRACES_{what}"));
        let for_all = |what: &str| set(format!("OTEL_EXPORTER_OTLP_{what}"));
        let of = |what: &str| for_traces(what).or_else(|| for_all(what));
        if let Some(compression) = of("COMPRESSION").filter(|name| name != "none") {
            return Err(SettingsError::Compression(compression));
        }
        let grpc = of("PROTOCOL").is_some_and(|protocol| protocol == "grpc");
        let endpoint = if grpc {
            let endpoint = of("ENDPOINT").unwrap_or_else(|| GRPC_ENDPOINT.to_owned());
            let insecure = of("INSECURE").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            with_scheme(endpoint, insecure)
        } else {
            for_traces("ENDPOINT").unwrap_or_else(|| {
                let base = for_all("ENDPOINT").unwrap_or_else(|| HTTP_ENDPOINT.to_owned());
                format!("{}/{TRACES_PATH}", base.trim_end_matches('/'))
            })
        };
        let timeout_ms = of("TIMEOUT").and_then(|ms| ms.trim().parse().ok());
        Ok(Self {
            grpc,
            endpoint: uri(endpoint)?,
            headers: headers(of("HEADERS").as_deref().unwrap_or_default()),
            timeout: timeout_ms.map_or(TIMEOUT, Duration::from_millis),
        })
    }

    /// Whether the connection uses TLS.
    pub(super) fn tls(&self) -> bool {
        self.endpoint.scheme_str() == Some("https")
    }
}

/// Adds the scheme to an endpoint of gRPC that has none: https, or http with INSECURE.
fn with_scheme(endpoint: String, insecure: bool) -> String {
    match (endpoint.contains("://"), insecure) {
        (true, _) => endpoint,
        (false, true) => format!("http://{endpoint}"),
        (false, false) => format!("https://{endpoint}"),
    }
}

fn uri(endpoint: String) -> Result<Uri, SettingsError> {
    let uri = endpoint.parse::<Uri>().ok();
    let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    uri.ok_or(SettingsError::Endpoint(endpoint))
}

/// Parses `name=value,name=value` with percent-encoded values (W3C Baggage), and adds `NO_TRACE`.
fn headers(list: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let (name, value) = NO_TRACE;
    headers.insert(name, HeaderValue::from_static(value));
    for (name, value) in list.split(',').filter_map(|pair| pair.split_once('=')) {
        let value = percent_decode_str(value.trim()).decode_utf8().ok();
        let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
        if let (Ok(name), Some(value)) = (name.trim().parse::<HeaderName>(), value) {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn check(variables: &[(&str, &str)], grpc: bool, endpoint: &str, timeout_ms: u64) {
        let settings = settings(variables).unwrap();
        assert_eq!(settings.grpc, grpc, "{variables:?}");
        assert_eq!(settings.endpoint.to_string(), endpoint, "{variables:?}");
        let timeout = Duration::from_millis(timeout_ms);
        assert_eq!(settings.timeout, timeout, "{variables:?}");
        assert_eq!(settings.tls(), endpoint.starts_with("https"));
    }

    #[test]
    fn variables_for_traces_take_precedence() {
        check(&[], false, "http://localhost:4318/v1/traces", 10_000);
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        check(&[grpc], true, "http://localhost:4317/", 10_000);
        check(
            &[
                grpc,
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "HTTPS://collector/otlp/"),
            ],
            false,
            "https://collector/otlp/v1/traces",
            10_000,
        );
        check(
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector"),
                (
                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                    "http://near:4318/as/is",
                ),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ],
            false,
            "http://near:4318/as/is",
            250,
        );
        let bare = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
        check(&[grpc, bare], true, "https://collector:4317/", 10_000);
        let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "TRUE");
        check(
            &[grpc, bare, insecure],
            true,
            "http://collector:4317/",
            10_000,
        );
    }

    #[test]
    fn headers_are_decoded() {
        let list = "api-key=a%20b, x = 1 ,none,b\u{e9}d=1,authorization=Basic%20YWJj=";
        let settings = settings(&[("OTEL_EXPORTER_OTLP_HEADERS", list)]).unwrap();
        let of = |name| {
            settings
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(of("api-key"), Some("a b"));
        assert_eq!(of("x"), Some("1"));
        assert_eq!(of("authorization"), Some("Basic YWJj="));
        assert_eq!(of("b3"), Some("0"));
        assert_eq!(settings.headers.len(), 4);
    }

    #[test]
    fn invalid_values_are_named() {
        let refused = |name, value| settings(&[(name, value)]).unwrap_err().to_string();
        assert!(refused("OTEL_EXPORTER_OTLP_ENDPOINT", "collector").contains("collector/v1"));
        assert!(refused("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://a").contains("ftp"));
        assert!(refused("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip").contains("gzip"));
        assert!(settings(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "none")]).is_ok());
    }
}
