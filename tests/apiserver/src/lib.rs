//! A stand-in for the Kubernetes API server, for tests of whoever watches one.
//!
//! In: objects, and the faults that a test wants. Out: HTTP, as the real one speaks it: lists with
//! `resourceVersion`, `limit` and `continue`; watches as chunked lines of JSON, with field selectors,
//! bookmarks and time-outs; 410 Gone as an HTTP status and as an ERROR event. Knows pods,
//! EndpointSlices and Services, and neither validates them nor who asks.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/>, and for what is not said
//! there `k8s.io/apiserver/pkg/endpoints/handlers` and `pkg/storage/cacher`.
//!
//! ```no_run
//! use hopspan_apiserver::{Server, Store, object};
//!
//! # fn main() -> anyhow::Result<()> {
//! let store = Store::shared();
//! store.apply(object::service("shop", "web", "10.96.0.10", &[80]));
//! let server = Server::start(std::net::TcpListener::bind("127.0.0.1:0")?, store)?;
//! println!("http://{}/api/v1/services", server.address());
//! # Ok(())
//! # }
//! ```

mod control;
mod list;
pub mod object;
mod resource;
mod selector;
mod server;
mod status;
mod store;
mod watch;

pub use resource::Resource;
pub use server::Server;
pub use store::{Faults, Gone, Requests, Store};
