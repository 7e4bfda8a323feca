//! Who is at an address, and for which request a connection was opened.
//!
//! In: facts as the agent learnt them, each with the time from which it holds; addresses, cgroups and
//! network namespaces of the sockets of an exchange. Out: pods, workloads, nodes and services as of the
//! time of the exchange.

pub mod directory;
pub mod name_queue;
pub mod served_requests;
