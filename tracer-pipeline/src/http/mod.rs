//! Requests, responses, and which belongs to which.
//!
//! In: captured heads and `flow` events. Out: `Exchange`s. Knows HTTP/1 and trace context; knows
//! nothing of hops, of Kubernetes or of spans.

pub mod exchange;
pub mod failed_connect;
pub mod handshake;
pub mod head;
mod packet;
pub mod pairing;
mod partial;
pub mod rpc;
pub mod served;
pub mod trace_context;
mod waiting;

pub use exchange::{Answered, Asked, Connect, Exchange, Leg};
pub use failed_connect::FailedConnect;
pub use handshake::Handshakes;
pub use pairing::Pairing;
pub use served::{Served, Serving};
