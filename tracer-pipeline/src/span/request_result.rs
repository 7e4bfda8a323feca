//! The result of a request, as a class of few values.
//!
//! In: an ended exchange. Out: a class. Knows no service and no metric.

use crate::http::Exchange;

/// The class of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestResult {
    /// HTTP status 100 to 199.
    Informational,
    /// HTTP status 200 to 299; of gRPC only with status OK.
    Success,
    /// HTTP status 300 to 399.
    Redirection,
    /// HTTP status 400 to 499.
    ClientError,
    /// HTTP status 500 to 599.
    ServerError,
    /// A gRPC status other than OK.
    GrpcError,
    /// The stream or the connection ended before the response did.
    Failed,
    /// The response or its status was not seen.
    Unknown,
}

impl RequestResult {
    /// All of them, in the order of the definition.
    pub const ALL: [Self; 8] = [
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::GrpcError,
        Self::Failed,
        Self::Unknown,
    ];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::GrpcError => "grpc_error",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// The result of an exchange.
    pub(super) fn of(exchange: &Exchange) -> Self {
        if exchange.has_failed() {
            return Self::Failed;
        }
        let answered = exchange.answered.unwrap_or_default();
        if answered.grpc_status.is_some_and(|status| status != 0) {
            return Self::GrpcError;
        }
        match answered.status.map(|status| status / 100) {
            Some(1) => Self::Informational,
            Some(2) => Self::Success,
            Some(3) => Self::Redirection,
            Some(4) => Self::ClientError,
            Some(5) => Self::ServerError,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        flow::Side,
        http::{Answered, Reset},
        span::exchange::tests::exchange,
    };

    #[test]
    fn a_result_is_the_class_of_its_status() {
        for (status, grpc_status, expected) in [
            (Some(101), None, "1xx"),
            (Some(200), None, "2xx"),
            (Some(200), Some(0), "2xx"),
            (Some(200), Some(14), "grpc_error"),
            (Some(304), None, "3xx"),
            (Some(404), None, "4xx"),
            (Some(503), None, "5xx"),
            (Some(999), None, "unknown"),
            (None, None, "unknown"),
        ] {
            let mut exchange = exchange("");
            exchange.answered = Some(Answered {
                status,
                grpc_status,
                server_span: None,
            });
            assert_eq!(
                RequestResult::of(&exchange).as_str(),
                expected,
                "{status:?}"
            );
        }
    }

    #[test]
    fn a_response_that_is_cut_has_failed() {
        let mut cut = exchange("");
        cut.reset = Some(Reset {
            code: 8,
            by: Side::Server,
            at_ns: 2_000,
        });
        assert_eq!(RequestResult::of(&cut), RequestResult::Failed);
    }

    #[test]
    fn the_order_is_that_of_the_numbers() {
        for (index, result) in RequestResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, index);
        }
    }
}
