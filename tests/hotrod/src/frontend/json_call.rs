//! A call to a service that answers with JSON. In: a lease and a target. Out: the answer, or the
//! reason why the dispatch fails.

use hyper::StatusCode;
use hyper::header::HeaderMap;
use opentelemetry::Context;
use serde::de::DeserializeOwned;

use crate::call::{self, CallError, Target};
use crate::pool::Lease;

/// Why a dispatch has no driver.
#[derive(Debug, thiserror::Error)]
pub(super) enum DispatchError {
    #[error("customer `{id}` does not exist")]
    UnknownCustomer { id: String },
    #[error("{service} answered {status}")]
    Refused {
        service: &'static str,
        status: StatusCode,
    },
    #[error("{service} answered with invalid JSON")]
    InvalidJson {
        service: &'static str,
        source: serde_json::Error,
    },
    #[error("call {service}")]
    Call {
        service: &'static str,
        source: CallError,
    },
    #[error("driver answered {}: {}", .0.code(), .0.message())]
    Driver(#[from] tonic::Status),
    #[error("a route worker ended early")]
    Worker(#[from] tokio::task::JoinError),
    #[error("there is no driver")]
    NoDriver,
}

/// Calls an HTTP service and parses its JSON answer.
///
/// # Errors
/// When there is no answer, its status is not 200, or it is invalid.
pub(super) async fn get<T: DeserializeOwned>(
    service: &'static str,
    lease: &mut Lease,
    target: &Target,
    cx: &Context,
) -> Result<T, DispatchError> {
    let call_cx = call::start_span(lease.upstream(), target, cx);
    let response = call::get(lease, target, &HeaderMap::new(), &call_cx)
        .await
        .map_err(|source| DispatchError::Call { service, source })?;
    if response.status() != StatusCode::OK {
        let status = response.status();
        return Err(DispatchError::Refused { service, status });
    }
    serde_json::from_slice(response.body())
        .map_err(|source| DispatchError::InvalidJson { service, source })
}
