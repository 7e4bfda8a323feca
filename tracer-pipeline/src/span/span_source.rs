//! What spans are built from: a finished exchange or a failed connect.

use crate::{
    http::{Exchange, FailedConnect},
    identity::{directory::PartyKey, served_requests::Correlation},
};

use super::{failed_connect, parties};

/// A finished exchange or a failed connect.
#[allow(
    clippy::large_enum_variant,
    reason = "most are exchanges: a box would cost each an allocation"
)]
#[derive(Clone, Debug)]
pub enum SpanSource {
    /// A request and its response.
    Exchange(Exchange),
    /// A failed connect, and the request it probably belongs to.
    FailedConnect(FailedConnect, Correlation),
}

impl SpanSource {
    /// Client and server.
    pub fn sides(&self) -> [PartyKey; 2] {
        match self {
            Self::Exchange(exchange) => parties::sides(exchange),
            Self::FailedConnect(failed, _) => failed_connect::sides(failed),
        }
    }
}
