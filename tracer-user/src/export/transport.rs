//! The connection to the collector: OTLP over gRPC or HTTP, with TLS where the endpoint is https.
//!
//! In: OpenTelemetry's variables. Out: an exporter, whose requests say that nobody shall trace them. A
//! collector is trusted by the certificates of
//! the machine, or of SSL_CERT_FILE and SSL_CERT_DIR in their place; where there are none at all, only
//! an https endpoint suffers.

use std::{collections::HashMap, env, time::Duration};

use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithHttpConfig as _, WithTonicConfig as _,
    tonic_types::{metadata::MetadataMap, transport::ClientTlsConfig},
};

/// B3's decision against a trace, which needs no ids. The agent sees its own export like any other
/// traffic of the node: a trace made of it (`--untraced`) would be exported by a request of which a
/// trace is made, and so on for ever.
const NO_TRACE: (&str, &str) = ("b3", "0");
/// OTLP's own default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The variables make no sense.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
    /// TLS cannot be set up.
    #[error(
        "set up TLS for OTLP over HTTP: are there root certificates? SSL_CERT_FILE names a file of them"
    )]
    Tls(#[source] reqwest::Error),
}

/// The exporter that the variables describe.
pub(super) fn exporter() -> Result<SpanExporter, TransportError> {
    // Fails when it is set already, which is as good: the process needs one, whoever chose it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = Settings::from(|name| env::var(name).ok());
    let (name, value) = NO_TRACE;
    if settings.grpc {
        let mut metadata = MetadataMap::new();
        metadata.insert(name, value.parse().expect("ASCII"));
        let mut builder = SpanExporter::builder().with_tonic().with_metadata(metadata);
        if settings.tls {
            builder = builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
        }
        return Ok(builder.build()?);
    }
    let client = reqwest::Client::builder().timeout(settings.timeout);
    let client = if settings.tls {
        client
    } else {
        // Looks for no certificates: an image without any must do for a plain endpoint.
        client.tls_certs_only([])
    };
    let client = client.build().map_err(TransportError::Tls)?;
    let headers = HashMap::from([(name.to_owned(), value.to_owned())]);
    let builder = SpanExporter::builder().with_http().with_headers(headers);
    Ok(builder.with_http_client(client).build()?)
}

/// What of the variables is needed here; the exporter reads the others, and these, itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settings {
    grpc: bool,
    tls: bool,
    timeout: Duration,
}

impl Settings {
    /// Those for traces go before those for all signals.
    fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let of = |what: &str| {
            let variable = |name: String| variable(&name).filter(|value| !value.is_empty());
            variable(format!("OTEL_EXPORTER_OTLP_TRACES_{what}"))
                .or_else(|| variable(format!("OTEL_EXPORTER_OTLP_{what}")))
        };
        let endpoint = of("ENDPOINT").unwrap_or_default().to_ascii_lowercase();
        let timeout_ms = of("TIMEOUT").and_then(|ms| ms.trim().parse().ok());
        Self {
            grpc: of("PROTOCOL").is_some_and(|protocol| protocol == "grpc"),
            // OTLP over gRPC takes an endpoint without a scheme for an https one.
            tls: !endpoint.is_empty() && !endpoint.starts_with("http://"),
            timeout: timeout_ms.map_or(TIMEOUT, Duration::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], grpc: bool, tls: bool, timeout_ms: u64) {
        let settings = Settings::from(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let expected = Settings {
            grpc,
            tls,
            timeout: Duration::from_millis(timeout_ms),
        };
        assert_eq!(settings, expected, "{variables:?}");
    }

    #[test]
    fn variables_for_traces_go_first() {
        check(&[], false, false, 10_000);
        check(
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            true,
            false,
            10_000,
        );
        check(
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "HTTPS://collector"),
            ],
            false,
            true,
            10_000,
        );
        check(
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector"),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://near:4318"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ],
            false,
            false,
            250,
        );
        check(
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ],
            true,
            true,
            10_000,
        );
    }
}
