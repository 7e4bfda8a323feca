//! Who is behind an address: services and the rules that chose a pod.
//!
//! In: addresses as conntrack knows them. Out: names. `iptables` and `rule_changes` are the edge that
//! does I/O; the rest is pure.

pub mod iptables;
pub mod kube_proxy;
pub mod rule_changes;
