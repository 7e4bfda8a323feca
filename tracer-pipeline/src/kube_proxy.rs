//! Names the kube-proxy rules behind a translation that the kernel made. In: rules, in any form that
//! kube-proxy writes: the text of `iptables-save`, nf_tables' netlink messages (iptables-nft and
//! the nftables mode), the entries of a legacy iptables table. Out: for (original destination, chosen
//! endpoint, client) the service, the chains a packet went through, and why it was marked for
//! masquerade.
//!
//! Chooses nothing: which endpoint a connection got is conntrack's word, this only explains it.
//! Runs no command, opens no socket and reads no file. Every reader makes the same tables of rules,
//! one walk follows them, and all fill the same [`Rules`].

mod chain_walk;
mod decision;
mod facts;
mod finding;
mod ip_tables;
mod iptables_save;
mod kernel_struct;
mod network;
mod nf_tables;
mod portal;
mod rule;
mod rule_comment;
mod source;
mod table;
mod xtables;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use self::portal::Portal;
use self::table::Table;

pub use self::decision::{Answer, Decision, PortalKind, Reason, Refusal};
pub use self::facts::FactsError;
pub use self::finding::{Finding, Findings, Position, Problem};
pub use self::kernel_struct::Family;
pub use self::network::Network;
pub use self::nf_tables::{KUBE_PROXY_TABLE, NfTables, SetName};
pub use self::source::{Client, Source};

/// Most paths kept, which bounds memory at about 100 MB for the worst rules.
const MAX_PATHS: usize = 400_000;

/// Most paths kept from one portal to one endpoint. kube-proxy has three: for pods, for the node,
/// and for all others.
const MAX_PATHS_OF_PAIR: usize = 16;

/// A transport protocol that a Kubernetes service can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// By the number that IP has for it.
    fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

/// A translation that conntrack shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Who opened the connection.
    pub client: Client,
    /// What it connected to.
    pub destination: SocketAddr,
    /// The transport.
    pub protocol: Protocol,
    /// What it was connected with.
    pub endpoint: SocketAddr,
}

/// The translations that a set of rules can make, and the portals that it closes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// For each portal and endpoint the paths in the order of the rules; never empty.
    paths: HashMap<(Portal, Endpoint), Vec<Decision>>,
    path_count: usize,
    refusals: HashMap<Portal, Refusal>,
}

/// An address and port in one form: an IPv4 address mapped into IPv6 is the IPv4 address, and an
/// IPv6 scope does not count.
type Endpoint = (IpAddr, u16);

fn endpoint(address: SocketAddr) -> Endpoint {
    (address.ip().to_canonical(), address.port())
}

impl Rules {
    /// Reads the output of `iptables-save` or `ip6tables-save`, with or without counters, or both
    /// after each other. Only the nat and filter tables and kube-proxy's chains in them count. Bad
    /// text costs its own line, and the findings say so.
    #[must_use]
    pub fn from_iptables_save(text: &str) -> (Self, Findings) {
        let mut findings = Findings::default();
        let tables = iptables_save::tables(text, &mut findings);
        (Self::of_tables(&tables, &mut findings), findings)
    }

    fn of_tables(tables: &[Table<'_>], findings: &mut Findings) -> Self {
        let mut rules = Self::default();
        for table in tables {
            chain_walk::walk(table, &mut rules, findings);
        }
        rules
    }

    /// Adds what another reader found, such as the rules of the other address family. What is known
    /// already stays.
    pub fn extend(&mut self, other: Self) {
        for (key, paths) in other.paths {
            let added = paths.len();
            self.paths.entry(key).or_insert_with(|| {
                self.path_count += added;
                paths
            });
        }
        for (portal, refusal) in other.refusals {
            self.refusals.entry(portal).or_insert(refusal);
        }
    }

    /// How the rules lead from where the client connected to, to the endpoint that conntrack shows
    /// as chosen. `None` when no rule does: not a service, or the rules have changed since.
    ///
    /// A node port matches on any address, because a node has many and the kernel has already
    /// checked that it was one of them. Where several paths lead to the endpoint, this is the first
    /// in the order of the rules whose conditions on the source the client meets: for a service
    /// with external traffic policy Local, pods and the node go through `KUBE-SVC`, a client outside
    /// the cluster through `KUBE-SVL`. A client of which it is not known whether it is on the node
    /// is taken for one that is not.
    #[must_use]
    pub fn decision(&self, translation: &Translation) -> Option<&Decision> {
        let paths = self.paths(translation)?;
        let (client, endpoint) = (&translation.client, translation.endpoint.ip());
        let open = |decision: &&Decision| decision.is_open_to(client, endpoint) != Some(false);
        let asks_for_node = |decision: &&Decision| decision.from.contains(&Source::Node);
        let mut open_paths = paths.iter().filter(open);
        match client.on_node {
            Some(_) => open_paths.next(),
            None => open_paths
                .clone()
                .find(|path| !asks_for_node(path))
                .or_else(|| open_paths.next()),
        }
    }

    /// What the rules say to a connection that no endpoint was chosen for. A node port is found by
    /// any address, as with [`Self::decision`].
    #[must_use]
    pub fn refusal(&self, destination: SocketAddr, protocol: Protocol) -> Option<&Refusal> {
        let [address, node_port] = portals(destination, protocol);
        let refusal = |portal| self.refusals.get(&portal);
        refusal(address).or_else(|| refusal(node_port))
    }

    /// How many pairs of portal and endpoint the rules have.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// How many portals the rules close.
    #[must_use]
    pub fn refusal_count(&self) -> usize {
        self.refusals.len()
    }

    /// Whether no rule leads to any endpoint: kube-proxy is not there, or no service has endpoints.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    fn paths(&self, translation: &Translation) -> Option<&[Decision]> {
        let chosen = endpoint(translation.endpoint);
        let to = |portal| self.paths.get(&(portal, chosen)).map(Vec::as_slice);
        let [address, node_port] = portals(translation.destination, translation.protocol);
        to(address).or_else(|| to(node_port))
    }

    /// Adds one path. To be called in the order of the rules, because the first path that is open to
    /// a client is the one it takes. `false` when there is no room.
    fn insert(&mut self, portal: Portal, chosen: SocketAddr, decision: Decision) -> bool {
        let paths = self.paths.entry((portal, endpoint(chosen))).or_default();
        // Affinity is one rule per endpoint before the random choice, so a path comes once with and
        // once without it.
        let same =
            |known: &&mut Decision| known.chains == decision.chains && known.from == decision.from;
        if let Some(known) = paths.iter_mut().find(same) {
            known.session_affinity |= decision.session_affinity;
            return true;
        }
        if self.path_count == MAX_PATHS {
            if paths.is_empty() {
                self.paths.remove(&(portal, endpoint(chosen)));
            }
            return false;
        }
        if paths.len() < MAX_PATHS_OF_PAIR {
            paths.push(decision);
            self.path_count += 1;
        }
        true
    }
}

fn portals(destination: SocketAddr, protocol: Protocol) -> [Portal; 2] {
    let (ip, port) = endpoint(destination);
    [
        Portal::Address(ip, port, protocol),
        Portal::NodePort(port, protocol),
    ]
}

#[cfg(test)]
mod tests;
