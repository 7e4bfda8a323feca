//! The connection to the collector: OTLP over gRPC or HTTP, with TLS where the endpoint is https.
//!
//! In: requests in OTLP's encoding. Out: how many spans the collector refused, or why none arrived, and
//! whether to send them again. A collector is trusted by the certificates of the machine, or of
//! SSL_CERT_FILE and SSL_CERT_DIR in their place; where there are none at all, only an https endpoint
//! suffers.

mod grpc;
mod http;

use std::{env, time::Duration};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::bytes::Bytes;

use super::settings::{Settings, SettingsError};

/// How the agent calls itself.
const USER_AGENT: &str = concat!("hopspan/", env!("CARGO_PKG_VERSION"));

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The variables make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// TLS cannot be set up.
    #[error(
        "set up TLS for OTLP over HTTP: are there root certificates? SSL_CERT_FILE names a file of them"
    )]
    Http(#[source] reqwest::Error),
    /// TLS cannot be set up.
    #[error(
        "set up TLS for OTLP over gRPC: are there root certificates? SSL_CERT_FILE names a file of them"
    )]
    Grpc(#[source] tonic::transport::Error),
}

/// Why a request has failed.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct SendError {
    /// What the collector, or the network, said.
    reason: String,
    /// Whether it makes sense to send it again (OTLP specification, sections on failures).
    pub(super) can_retry: bool,
    /// The collector asked not to be asked again for so long.
    pub(super) retry_after: Option<Duration>,
}

/// A connection.
pub(super) enum Transport {
    Grpc(grpc::Client),
    Http(http::Client),
}

impl Transport {
    /// The one that the variables describe.
    pub(super) fn from_environment() -> Result<Self, TransportError> {
        // Fails when it is set already, which is as good: the process needs one, whoever chose it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self::of(Settings::from(|name| env::var(name).ok())?)
    }

    /// The one that these settings describe.
    pub(super) fn of(settings: Settings) -> Result<Self, TransportError> {
        if settings.grpc {
            let client = grpc::Client::new(settings).map_err(TransportError::Grpc)?;
            return Ok(Self::Grpc(client));
        }
        let client = http::Client::new(settings).map_err(TransportError::Http)?;
        Ok(Self::Http(client))
    }

    /// Sends a request. Returns how many of its spans the collector has refused.
    pub(super) async fn send(&self, request: Bytes) -> Result<u64, SendError> {
        let response = match self {
            Self::Grpc(client) => client.send(request).await,
            Self::Http(client) => client.send(request).await,
        }?;
        Ok(refused(response))
    }
}

/// What the collector has refused of a request that it has taken: that is not sent again.
fn refused(response: ExportTraceServiceResponse) -> u64 {
    let Some(partial) = response.partial_success else {
        return 0;
    };
    if !partial.error_message.is_empty() {
        tracing::warn!("the collector says: {}", partial.error_message);
    }
    u64::try_from(partial.rejected_spans).unwrap_or(0)
}
