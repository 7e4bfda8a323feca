//! The settings of the OTLP export, from OpenTelemetry's environment variables.
//!
//! In: environment variables; those for traces take precedence over those for all signals. Out:
//! settings, or which variable is invalid.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

/// OTLP's own defaults (opentelemetry.io/docs/specs/otel/protocol/exporter).
const TIMEOUT: Duration = Duration::from_secs(10);
const GRPC_ENDPOINT: &str = "http://localhost:4317";
const HTTP_ENDPOINT: &str = "http://localhost:4318";
/// More is a mistake.
const MAX_TIMEOUT_MS: u32 = 3_600_000;
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
    /// The protocol is not implemented.
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL={0:?}: expected http/protobuf or grpc")]
    Protocol(String),
    /// An element of the headers. The error does not repeat it: it may be a secret.
    #[error(
        "OTEL_EXPORTER_OTLP_HEADERS: element {0} is no header: expected name=value,name=value, with percent-encoded values"
    )]
    Header(usize),
    /// An element of the resource attributes.
    #[error(
        "OTEL_RESOURCE_ATTRIBUTES: element {0} is no attribute: expected key=value,key=value, with percent-encoded values"
    )]
    ResourceAttribute(usize),
    /// A number is none, or out of range.
    #[error("{name}={value:?}: expected a number from 1 to {max}")]
    Number {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// The largest number that makes sense.
        max: u32,
    },
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
    /// When a variable is invalid, or compression is set.
    pub(super) fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let set = |name: String| variable(&name).filter(|value| !value.is_empty());
        let for_traces = |what: &str| set(format!("OTEL_EXPORTER_OTLP_TRACES_{what}"));
        let for_all = |what: &str| set(format!("OTEL_EXPORTER_OTLP_{what}"));
        let of = |what: &str| for_traces(what).or_else(|| for_all(what));
        if let Some(compression) = of("COMPRESSION").filter(|name| name != "none") {
            return Err(SettingsError::Compression(compression));
        }
        let grpc = match of("PROTOCOL") {
            None => false,
            Some(protocol) => match protocol.trim() {
                "grpc" => true,
                "http/protobuf" => false,
                _ => return Err(SettingsError::Protocol(protocol)),
            },
        };
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
        let timeout = of("TIMEOUT").map_or(Ok(TIMEOUT), timeout)?;
        Ok(Self {
            grpc,
            endpoint: uri(endpoint)?,
            headers: headers(of("HEADERS").as_deref().unwrap_or_default())?,
            timeout,
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

fn timeout(value: String) -> Result<Duration, SettingsError> {
    let ms = value.trim().parse().ok();
    let ms = ms.filter(|ms| (1..=MAX_TIMEOUT_MS).contains(ms));
    let ms = ms.ok_or(SettingsError::Number {
        name: "OTEL_EXPORTER_OTLP_TIMEOUT",
        value,
        max: MAX_TIMEOUT_MS,
    })?;
    Ok(Duration::from_millis(ms.into()))
}

/// Parses the headers, and adds `NO_TRACE`.
fn headers(list: &str) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    let (name, value) = NO_TRACE;
    headers.insert(name, HeaderValue::from_static(value));
    for (number, pair) in pairs(list) {
        let header = pair.and_then(|(name, value)| {
            let name = name.parse::<HeaderName>().ok()?;
            Some((name, HeaderValue::from_str(&value).ok()?))
        });
        let (name, value) = header.ok_or(SettingsError::Header(number))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The elements of `name=value,name=value` with percent-encoded values (W3C Baggage), counted from
/// 1. `None` is one that is no such pair; empty elements are left out.
pub(super) fn pairs(list: &str) -> impl Iterator<Item = (usize, Option<(&str, Cow<'_, str>)>)> {
    let elements = (1..).zip(list.split(','));
    elements
        .filter(|(_, element)| !element.trim().is_empty())
        .map(|(number, element)| {
            let pair = element.split_once('=').and_then(|(name, value)| {
                let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
                Some((name.trim(), value))
            });
            (number, pair.filter(|(name, _)| !name.is_empty()))
        })
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
        let list = "api-key=a%20b, x = 1 ,,authorization=Basic%20YWJj=,";
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
        assert!(refused("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json").contains("http/json"));
        assert!(refused("OTEL_EXPORTER_OTLP_TIMEOUT", "10s").contains("=\"10s\": expected"));
        assert!(refused("OTEL_EXPORTER_OTLP_TIMEOUT", "0").contains("from 1 to"));
        for list in [
            "a=b,secret",
            "a=b,s\u{e9}=secret",
            "a=b,=secret",
            "a=b,x=secret%0a",
        ] {
            let error = refused("OTEL_EXPORTER_OTLP_HEADERS", list);
            assert!(error.contains("element 2"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
