//! What goes wrong on a node's network, for as long as somebody wants it to.
//!
//! In: a node, and whose connections suffer. Out: the kernel's own refusals: rules as a NetworkPolicy's or
//! an administrator's are, in the tool of the node's proxy mode, and a conntrack table that is full.
//! Everything is in the node's network namespace, so that the lab's end undoes it too. A service without
//! endpoints is none of these: it is [`Node::apply_services`] with a service that has none.

mod conntrack;
mod rule;

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::{Node, Pod};

pub use conntrack::FullConntrack;
pub use rule::Rule;

/// Connections that suffer: of one client to one port of whatever pod they are translated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Victims {
    /// The client's address.
    pub client: Ipv4Addr,
    /// The port that the pods listen on.
    pub port: u16,
}

impl Victims {
    /// The connections of a pod.
    pub fn of(client: &Pod, port: u16) -> Self {
        Self {
            client: client.ip(),
            port,
        }
    }
}

/// Drops every packet of these connections where the node forwards, as a NetworkPolicy does.
///
/// # Errors
/// When the tool refuses the rule.
pub fn drop_forwarded(node: &Node, victims: Victims) -> Result<Rule> {
    Rule::of(node, rule::What::Drop, victims)
}

/// Drops the first SYN of these connections, and no other: TCP sends it again after a second.
///
/// # Errors
/// When the tool refuses the rule: the kernel may lack xt_statistic or nft_numgen.
pub fn lose_first_syn(node: &Node, victims: Victims) -> Result<Rule> {
    Rule::of(node, rule::What::DropFirstSyn, victims)
}

/// Gives all these connections one source address and port, as a wrong SNAT rule does: to one destination
/// conntrack enters the first, and refuses the others.
///
/// # Errors
/// When the tool refuses the rule.
pub fn share_source_port(node: &Node, victims: Victims) -> Result<Rule> {
    Rule::of(node, rule::What::ShareSourcePort, victims)
}

/// Fills the conntrack table of the node's namespace, but for so many places.
///
/// # Errors
/// As [`FullConntrack::of`].
pub fn fill_conntrack(node: &Node, spare: u32) -> Result<FullConntrack> {
    FullConntrack::of(node, spare)
}
