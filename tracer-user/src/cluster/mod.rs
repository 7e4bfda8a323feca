//! The pods, containers and services of the cluster.
//!
//! In: the node's cgroup tree, and the Kubernetes API if there is one. Out: facts for the
//! pipeline's `identity` stage, each with the time from which it holds.

mod cgroup;
pub mod containers;
pub mod kubernetes;
mod names;
mod workload;

pub(crate) use names::Names;
pub use names::NamesArgs;
