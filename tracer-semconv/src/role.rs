//! Values of [`attribute::ROLE`](crate::attribute::ROLE).

use crate::{attribute, value::values};

values! {
    /// What a span stands for.
    ///
    /// It is also the name of the spans of [`Connect`](Self::Connect), [`Request`](Self::Request)
    /// and [`Response`](Self::Response); between nodes ` to wire` or ` from wire` follows, for the
    /// part that the agent saw. The name of a hop span is its [`HopName`](crate::HopName), the name
    /// of an exchange span is `METHOD service` or, for gRPC, `package.Service/Method`.
    pub enum Role of attribute::ROLE {
        /// A request and its response, where the client has no span.
        Exchange = "exchange",
        /// From the SYN to the SYN-ACK.
        Connect = "connect",
        /// From the client's send of the request to the server's read.
        Request = "request",
        /// From the server's send of the response to the client's read.
        Response = "response",
        /// One hop of a connect, request or response.
        Hop = "hop",
    }
}

impl Role {
    /// Whether the span is the path of a message, which hops partition: connect, request or
    /// response.
    pub const fn is_path(self) -> bool {
        matches!(self, Self::Connect | Self::Request | Self::Response)
    }
}
