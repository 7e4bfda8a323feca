//! HTTP/1 requests and responses, and which response answers which request.
//!
//! In: captured heads and `flow` events. Out: `Exchange`s. Contains HTTP/1 and the formats of
//! trace context; has no hops, no Kubernetes and no spans.

pub mod exchange;
pub mod failed_connect;
pub mod handshake;
pub mod head;
mod letter_pairs;
pub(crate) mod packet_heads;
pub mod pairing;
mod partial_heads;
pub mod rpc;
pub mod served;
#[cfg(test)]
mod test_head;
pub mod trace_context;
pub mod url_paths;
mod url_segment;
pub(crate) mod url_template;
mod waiting_heads;

pub use exchange::{Answered, Asked, Connect, Exchange, Leg, Reset, ResponseEnd};
pub use failed_connect::FailedConnect;
pub use handshake::Handshakes;
pub use pairing::Http1Pairing;
pub(crate) use partial_heads::MAX_PARTIAL as MAX_PARTIAL_HEADS;
pub use served::{ReadRequest, Served};
pub use url_paths::{NotUrlPaths, UrlPaths};
pub(crate) use waiting_heads::MAX_HEADS as MAX_WAITING_HEADS;
