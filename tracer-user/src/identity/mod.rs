//! Who is behind an address: services and the rules that chose a pod.
//!
//! In: addresses as conntrack knows them, rules as `capture` reads them. Out: names. Pure.

pub mod kube_proxy;
