//! A stand-in for the Kubernetes API server, for tests of its clients.
//!
//! In: objects, and the faults that a test sets. Out: HTTP as from the real server: lists with
//! `resourceVersion`, `limit` and `continue`; watches as chunked lines of JSON, with field
//! selectors, bookmarks and time-outs; 410 Gone as an HTTP status and as an ERROR event. Serves
//! pods, EndpointSlices and Services. It validates no object and authenticates no client.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/>, and for the details
//! `k8s.io/apiserver/pkg/endpoints/handlers` and `pkg/storage/cacher`.
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
