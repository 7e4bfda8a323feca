//! Names the kube-proxy rules behind a translation that the kernel made. In: rules, from a reader
//! of one of kube-proxy's modes (here the text of `iptables-save`). Out: for (original destination,
//! chosen endpoint) the service and the chains a packet went through.
//!
//! Chooses nothing: which endpoint a connection got is conntrack's word, this only explains it.
//! Runs no command and reads no file. Every reader fills the same [`Rules`]; nothing in it is
//! particular to iptables.

mod chain_walk;
mod finding;
mod iptables_save;
mod nat_rule;
mod network;
mod words;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use self::finding::{Finding, Findings, Problem};

/// A transport protocol that a Kubernetes service can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// Where a service is reached. kube-proxy's own word for it: "kubernetes service portals".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Portal {
    /// A cluster, external or load balancer address and its port.
    Address(IpAddr, u16, Protocol),
    /// A port on every address of the node.
    NodePort(u16, Protocol),
}

/// Why kube-proxy would replace the source address of a connection. Whether it did is conntrack's
/// word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Masquerade {
    /// Every connection to an external address or node port of a service with external traffic
    /// policy Cluster, or to any service with `--masquerade-all`: the answer has to come back
    /// through this node.
    EveryConnection,
    /// The source is outside the pod network.
    FromOutsidePodNetwork,
    /// The source is the node itself.
    FromNode,
    /// The source is the endpoint: it called its own service and was chosen.
    Hairpin,
    /// The source lies in a network that the rule names.
    FromNamedNetwork,
}

/// What the rules say about one translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `namespace/name:port`, or `namespace/name` for a service whose only port has no name.
    pub service: Arc<str>,
    /// The chains in the order of the jumps, from `KUBE-SERVICES` to the endpoint's.
    pub chains: Vec<Arc<str>>,
    /// Whether a client returns to the endpoint it had before (`sessionAffinity: ClientIP`), so
    /// that the choice may not be random.
    pub session_affinity: bool,
    /// The conditions under which this path masquerades, in the order of the rules. Empty when it
    /// never does.
    pub masquerade: Vec<Masquerade>,
    /// Whether only connections from the node itself take this path.
    pub only_from_node: bool,
}

/// The translations that a set of rules can make.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    decisions: HashMap<(Portal, Endpoint), Decision>,
}

/// An address and port in one form: an IPv4 address mapped into IPv6 is the IPv4 address, and an
/// IPv6 scope does not count.
type Endpoint = (IpAddr, u16);

fn endpoint(address: SocketAddr) -> Endpoint {
    (address.ip().to_canonical(), address.port())
}

impl Rules {
    /// Reads the output of `iptables-save` or `ip6tables-save`, with or without counters, or both
    /// after each other. Only the nat table and kube-proxy's chains in it count. Bad text costs
    /// its own line, and the findings say so.
    #[must_use]
    pub fn from_iptables_save(text: &str) -> (Self, Findings) {
        let mut rules = Self::default();
        let mut findings = Findings::default();
        for table in iptables_save::nat_tables(text, &mut findings) {
            chain_walk::walk(&table, &mut rules, &mut findings);
        }
        (rules, findings)
    }

    /// Adds what another reader found, such as the rules of the other address family. What is known
    /// already stays.
    pub fn extend(&mut self, other: Self) {
        for (key, decision) in other.decisions {
            self.decisions.entry(key).or_insert(decision);
        }
    }

    /// How the rules lead from `original_destination`, which the client connected to, to the
    /// endpoint that conntrack shows as chosen. `None` when no rule does: not a service, or the
    /// rules have changed since.
    ///
    /// A node port matches on any address, because a node has many and the kernel has already
    /// checked that it was one of them. Where several paths lead to the endpoint, this is the
    /// one that a connection from a pod takes: the first in the order of the rules
    /// that does not ask for the node as source. For a service with external traffic policy Local
    /// that is the path through `KUBE-SVC`, while a client outside the cluster would go through
    /// `KUBE-SVL`.
    #[must_use]
    pub fn decision(
        &self,
        original_destination: SocketAddr,
        protocol: Protocol,
        chosen: SocketAddr,
    ) -> Option<&Decision> {
        let (ip, port) = endpoint(original_destination);
        let to = |portal| self.decisions.get(&(portal, endpoint(chosen)));
        to(Portal::Address(ip, port, protocol)).or_else(|| to(Portal::NodePort(port, protocol)))
    }

    /// How many pairs of portal and endpoint the rules have.
    #[must_use]
    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    /// Whether no rule leads to any endpoint: kube-proxy is not there, or in another mode, or no
    /// service has endpoints.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// Adds one path. To be called in the order of the rules, because the first path for pods
    /// stays.
    fn insert(&mut self, portal: Portal, chosen: SocketAddr, decision: Decision) {
        match self.decisions.entry((portal, endpoint(chosen))) {
            Entry::Vacant(entry) => {
                entry.insert(decision);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                if known.only_from_node && !decision.only_from_node {
                    *known = decision;
                } else if known.chains == decision.chains {
                    // Affinity is one rule per endpoint before the random choice, so a path comes
                    // once with and once without it.
                    known.session_affinity |= decision.session_affinity;
                }
            }
        }
    }
}

impl Decision {
    /// The chains as one line, the value of `hopspan.kube_proxy.rule`.
    #[must_use]
    pub fn chain_path(&self) -> String {
        self.chains.join(" > ")
    }
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EveryConnection => "every connection",
            Self::FromOutsidePodNetwork => "source outside the pod network",
            Self::FromNode => "source is the node",
            Self::Hairpin => "source is the endpoint",
            Self::FromNamedNetwork => "source in a named network",
        })
    }
}

#[cfg(test)]
mod tests;
