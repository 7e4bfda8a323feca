//! The pod, node and service at an address, and the request that a failed connect belongs to.
//!
//! In: facts from Kubernetes and the node, each with the time from which it holds; addresses,
//! cgroups and network namespaces of the sockets of an exchange. Out: pods, workloads, nodes and
//! services as of the time of the exchange.

pub mod directory;
pub mod name_queue;
pub mod served_requests;

pub(crate) use name_queue::MAX_WAITING as MAX_UNNAMED;
pub(crate) use served_requests::MAX_SERVED;
