//! Which pods, containers and services exist.
//!
//! In: the node's cgroup tree and, where there is one, the Kubernetes API. Out: facts for the
//! pipeline's `identity` stage, each with the time from which it holds.

mod cgroup;
pub mod containers;
pub mod kubernetes;
mod names;
mod workload;

pub(crate) use names::Names;
pub use names::NamesArgs;
