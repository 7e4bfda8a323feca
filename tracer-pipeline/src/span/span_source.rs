//! What spans are made of: something that has ended, by itself or by a failure.

use crate::{
    http::{Exchange, FailedConnect},
    identity::{directory::PartyKey, served_requests::Correlation},
};

use super::{failed_connect, parties};

/// An exchange, or a connect that came to none.
#[allow(
    clippy::large_enum_variant,
    reason = "most are exchanges: a box would cost each an allocation"
)]
#[derive(Clone, Debug)]
pub enum SpanSource {
    /// A request and its response.
    Exchange(Exchange),
    /// A connection that could not be opened, and what it was probably for.
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
