//! The connection to the collector: OTLP over gRPC or HTTP, with TLS where the endpoint is https.
//!
//! In: requests in OTLP's encoding. Out: how many spans the collector refused, or the error and
//! whether to send the request again. The root certificates are the machine's, or those of
//! SSL_CERT_FILE and SSL_CERT_DIR. A machine without any can still use an http endpoint.

mod grpc;
mod http;

use std::{env, time::Duration};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::bytes::Bytes;
use tokio::time::timeout;

use super::{
    printable::printable,
    settings::{Settings, SettingsError},
};

/// The HTTP header User-Agent.
const USER_AGENT: &str = concat!("hopspan/", env!("CARGO_PKG_VERSION"));

/// Why the transport cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A variable is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The HTTP client cannot be made.
    #[error(
        "set up TLS for OTLP over HTTP: are there root certificates? SSL_CERT_FILE names a file of them"
    )]
    Http(#[source] reqwest::Error),
    /// The gRPC client cannot be made.
    #[error(
        "set up TLS for OTLP over gRPC: are there root certificates? SSL_CERT_FILE names a file of them"
    )]
    Grpc(#[source] tonic::transport::Error),
}

/// Why a request has failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct SendError {
    /// The collector's or the network's error.
    pub(super) reason: String,
    /// The error may pass: send the request again (OTLP specification, sections on failures).
    pub(super) can_retry: bool,
    /// The pause that the collector asks for.
    pub(super) retry_after: Option<Duration>,
}

impl SendError {
    /// The network's error, or that of this side: it may pass.
    fn of_network(reason: String) -> Self {
        Self {
            reason,
            can_retry: true,
            retry_after: None,
        }
    }
}

/// The answer to an accepted request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The spans that the collector refused. They are not sent again.
    pub(super) refused: u64,
    /// The collector's warning, or why it refused spans.
    pub(super) message: String,
}

/// The connection to the collector.
pub(super) struct Transport {
    client: Client,
    timeout: Duration,
}

enum Client {
    Grpc(grpc::Client),
    Http(http::Client),
}

impl Transport {
    /// The transport of the environment variables.
    pub(super) fn from_environment() -> Result<Self, TransportError> {
        // Fails when the process has a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self::of(Settings::from(|name| env::var(name).ok())?)
    }

    /// The transport of these settings.
    pub(super) fn of(settings: Settings) -> Result<Self, TransportError> {
        let timeout = settings.timeout;
        let client = if settings.grpc {
            Client::Grpc(grpc::Client::new(settings).map_err(TransportError::Grpc)?)
        } else {
            Client::Http(http::Client::new(settings).map_err(TransportError::Http)?)
        };
        Ok(Self { client, timeout })
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: Bytes) -> Result<Answer, SendError> {
        let sent = async {
            match &self.client {
                Client::Grpc(client) => client.send(request).await,
                Client::Http(client) => client.send(request).await,
            }
        };
        // The time for everything: name, connection, request and response.
        let response = timeout(self.timeout, sent).await.unwrap_or_else(|_| {
            let ms = self.timeout.as_millis();
            Err(SendError::of_network(format!(
                "the collector has not answered within {ms} ms"
            )))
        })?;
        Ok(answer(response))
    }
}

fn answer(response: ExportTraceServiceResponse) -> Answer {
    let partial = response.partial_success.unwrap_or_default();
    Answer {
        refused: u64::try_from(partial.rejected_spans).unwrap_or(0),
        message: partial.error_message,
    }
}

/// The reason of a refusal: what the protocol says, and the collector's own words.
fn refusal(protocol: &str, words: &str) -> String {
    match &*printable(words) {
        "" => format!("the collector answers {protocol}"),
        words => format!("the collector answers {protocol}: {words}"),
    }
}
