//! The words of hopspan's spans: the instrumentation scope, attribute keys and the values that more
//! than one crate compares.
//!
//! The agent writes these words; the viewer, the tests and the benchmarks read them. Every word is
//! defined here once. Keys of OpenTelemetry's semantic conventions come from the crate
//! `opentelemetry-semantic-conventions`, except those in [`rpc`].
//!
//! The spans, in one exchange of a request and its response:
//!
//! ```text
//! exchange            the request and its response, below the client's own span
//! ├─ connect          SYN sent .. SYN-ACK received, where the request opened the connection
//! ├─ request          client's send .. server's read
//! │  └─ hop …         the hops of a path follow each other without a gap
//! └─ response         server's send .. client's read
//!    └─ hop …
//! ```
//!
//! A connect that failed has a `connect` span without an exchange. How many of these spans the
//! agent makes depends on its option `--detail`: `hop` makes all of them, `path` makes events of
//! the hops, `exchange` makes the exchange span only.

#![no_std]
#![forbid(unsafe_code)]

mod value;

pub mod attribute;
pub mod correlation;
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
