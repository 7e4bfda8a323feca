//! The words of hopspan's spans: the instrumentation scope, attribute keys and the values that more
//! than one crate compares.
//!
//! The agent writes these words; the viewer, the tests and the benchmarks read them. Every word is
//! defined here once. Keys of OpenTelemetry's semantic conventions come from the crate
//! `opentelemetry-semantic-conventions`, except those in [`rpc`].
//!
//! The spans of one exchange of a request and its response, below the client's own span and beside
//! the server's:
//!
//! ```text
//! client span (the application's)
//! ├─ connect          SYN sent .. SYN-ACK received, where the request opened the connection
//! ├─ request          client's send .. server's read
//! │  └─ hop …         the hops of a path follow each other without a gap
//! ├─ server span (the application's)
//! └─ response         server's send .. client's read
//!    └─ hop …
//! ```
//!
//! Between two nodes each agent sends its own half: `request to wire` and `response from wire` are
//! those of the client's node, `request from wire` and `response to wire` those of the server's. No
//! two spans have the same id. `hopspan.exchange.id` is the same on all.
//!
//! An `exchange` span covers all of it only where the client has no span: as the root of a trace
//! that hopspan began itself (`--untraced`), or as a further root, with a link to the server's span,
//! in the trace that the response names (`traceresponse`). A connect that failed has a `connect` span without an exchange. Whether hops
//! have spans or are one attribute of their path depends on the agent's option `--detail`.

#![no_std]
#![forbid(unsafe_code)]

mod value;

pub mod attribute;
pub mod correlation;
pub mod detail_reason;
pub mod drop;
pub mod error;
pub mod event;
pub mod hop;
pub mod incomplete;
pub mod kube_proxy;
pub mod packet;
pub mod party;
pub mod role;
pub mod rpc;
pub mod scope;
pub mod side;

pub use hop::HopName;
pub use role::Role;
pub use side::Side;
pub use value::UnknownValue;
