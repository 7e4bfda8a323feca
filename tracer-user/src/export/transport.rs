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

use super::settings::{Settings, SettingsError};

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
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct SendError {
    /// The collector's or the network's error.
    reason: String,
    /// The error may pass: send the request again (OTLP specification, sections on failures).
    pub(super) can_retry: bool,
    /// The pause that the collector asks for.
    pub(super) retry_after: Option<Duration>,
}

/// The connection to the collector.
pub(super) enum Transport {
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
        if settings.grpc {
            let client = grpc::Client::new(settings).map_err(TransportError::Grpc)?;
            return Ok(Self::Grpc(client));
        }
        let client = http::Client::new(settings).map_err(TransportError::Http)?;
        Ok(Self::Http(client))
    }

    /// Sends a request. Returns how many of its spans the collector refused.
    pub(super) async fn send(&self, request: Bytes) -> Result<u64, SendError> {
        let response = match self {
            Self::Grpc(client) => client.send(request).await,
            Self::Http(client) => client.send(request).await,
        }?;
        Ok(refused(response))
    }
}

/// How many spans of an accepted request the collector refused. They are not sent again.
fn refused(response: ExportTraceServiceResponse) -> u64 {
    let Some(partial) = response.partial_success else {
        return 0;
    };
    if !partial.error_message.is_empty() {
        tracing::warn!("warning of the collector: {}", partial.error_message);
    }
    u64::try_from(partial.rejected_spans).unwrap_or(0)
}
