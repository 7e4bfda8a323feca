//! Who is behind an address: services and the rules that chose a pod.
//!
//! In: addresses as conntrack knows them, cgroups and namespaces, rules as `capture` reads them. Out:
//! names. `containers` and `kubernetes` are the edges that do I/O; the rest is pure.

pub mod cgroup;
pub mod containers;
pub mod kube_proxy;
pub mod kubernetes;
pub mod serving;
pub mod waiting;
pub mod who;
pub mod workload;
