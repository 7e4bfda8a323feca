//! Faults of a node's network, each for as long as the returned value lives.
//!
//! In: a node, and whose connections a fault hits. Out: refusals by the kernel itself: rules as a
//! NetworkPolicy's or an administrator's, and a conntrack table that is full. Everything is in the
//! node's network namespace, so the end of the lab undoes it too. For a service without endpoints,
//! call [`Node::apply_services`] with a service that has none.

mod conntrack;
mod rule;
mod victims;

use anyhow::Result;

use crate::node::Node;
use rule::Action;

pub use conntrack::FullConntrack;
pub use rule::Rule;
pub use victims::Victims;

/// Drops every packet of these connections in the node's FORWARD hook, as a NetworkPolicy does.
///
/// # Errors
/// When the tool refuses the rule.
pub fn drop_forwarded(node: &Node, victims: Victims) -> Result<Rule> {
    Rule::for_connections(node, Action::Drop, victims)
}

/// Drops the first SYN of these connections, and no other: TCP sends it again after a second.
///
/// # Errors
/// When the tool refuses the rule: the kernel may lack xt_statistic or nft_numgen.
pub fn lose_first_syn(node: &Node, victims: Victims) -> Result<Rule> {
    Rule::for_connections(node, Action::DropFirstSyn, victims)
}

/// Gives all these connections one source address and port, as a wrong SNAT rule does: of those to
/// one destination, conntrack enters the first and refuses the others.
///
/// # Errors
/// When the tool refuses the rule.
pub fn share_source_port(node: &Node, victims: Victims) -> Result<Rule> {
    Rule::for_connections(node, Action::ShareSourcePort, victims)
}

/// Drops TCP packets with this text in the node's FORWARD hook: the first `limit` of them, or all
/// of them. It uses iptables in each proxy mode, because nftables cannot search a payload.
///
/// # Errors
/// When iptables refuses the rule: the kernel may lack xt_string or xt_statistic.
pub fn drop_containing(node: &Node, text: &str, limit: Option<u32>) -> Result<Rule> {
    Rule::for_text(node, text, limit)
}

/// Removes the conntrack entries of the node's namespace, once: the packets of open connections are
/// not translated any more.
///
/// # Errors
/// When the kernel refuses it.
pub fn flush_conntrack(node: &Node) -> Result<()> {
    node.within(conntrack::flush)?
}

/// Fills the conntrack table of the node's namespace and leaves `spare` entries free.
///
/// # Errors
/// When the machine's limit is above a million entries, or the kernel refuses entries.
pub fn fill_conntrack(node: &Node, spare: u32) -> Result<FullConntrack> {
    FullConntrack::fill(node, spare)
}
