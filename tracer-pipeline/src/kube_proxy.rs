//! Finds the kube-proxy rules behind a translation that the kernel made.
//!
//! In: rules in each form that kube-proxy writes: nf_tables' netlink messages (iptables-nft and the
//! nftables mode), the entries of a legacy iptables table; in tests the text of `iptables-save`. Out: for
//! an original destination, chosen endpoint and client, the service, the chains that the packet
//! passed, and why it was marked for masquerade.
//!
//! Conntrack shows which endpoint was chosen; the rules only explain it. Each reader builds the
//! same tables, one walk follows them, and all fill the same [`Rules`]. No reader runs a
//! command, opens a socket or reads a file.

mod chain_walk;
mod decision;
mod finding;
mod ip_tables;
#[cfg(test)]
mod iptables_save;
mod json;
mod kernel_struct;
mod network;
mod nf_tables;
mod portal;
mod rule;
mod rule_comment;
mod source;
mod table;
mod xtables;

use std::collections::{HashMap, hash_map::Entry};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::portal::Portal;
use self::table::Table;

pub use self::decision::{Answer, Decision, PortalKind, Reason, Refusal};
pub use self::finding::{Finding, Findings, Position, Problem};
pub use self::json::JsonError;
pub use self::kernel_struct::Family;
pub use self::network::Network;
pub use self::nf_tables::{KUBE_PROXY_TABLE, NfTables, SetName};
pub use self::source::{Client, Source};

/// Bound on paths, which bounds memory at about 100 MB for the worst rules.
const MAX_PATHS: usize = 400_000;

/// Bound on paths from one portal to one endpoint. kube-proxy has three: for pods, for the node,
/// and for other clients.
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
    /// The protocol of an IP protocol number.
    fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

/// A translation from a conntrack entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The client.
    pub client: Client,
    /// The address that the client connected to.
    pub destination: SocketAddr,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The chosen endpoint.
    pub endpoint: SocketAddr,
}

/// The translations that a set of rules can make, and the portals that it refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The paths of each portal and endpoint, in the order of the rules; never empty.
    paths: HashMap<(Portal, Endpoint), Vec<Decision>>,
    path_count: usize,
    refusals: HashMap<Portal, Refusal>,
    /// The service of each portal that leads to an endpoint.
    services: HashMap<Portal, Arc<str>>,
}

/// A canonical address and port: an IPv4-mapped IPv6 address becomes the IPv4 address, and the IPv6
/// scope is dropped.
type Endpoint = (IpAddr, u16);

fn endpoint(address: SocketAddr) -> Endpoint {
    (address.ip().to_canonical(), address.port())
}

impl Rules {
    /// Reads the output of `iptables-save` or `ip6tables-save`, with or without counters, or of
    /// both concatenated. Only kube-proxy's chains in the nat and filter tables are read. A
    /// malformed line is skipped and reported in the findings.
    #[cfg(test)]
    pub(crate) fn from_iptables_save(text: &str) -> (Self, Findings) {
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

    /// Adds the rules of another reader, such as those of the other address family. Existing
    /// entries stay.
    pub fn extend(&mut self, other: Self) {
        for (key, paths) in other.paths {
            if let Entry::Vacant(entry) = self.paths.entry(key) {
                self.path_count += paths.len();
                for path in entry.insert(paths) {
                    add_service(&mut self.services, key.0, &path.service);
                }
            }
        }
        for (portal, refusal) in other.refusals {
            self.refusals.entry(portal).or_insert(refusal);
        }
    }

    /// The path of the rules from the address that the client connected to, to the endpoint that
    /// conntrack shows. `None` where there is none: the address is no service, or the rules have
    /// changed since.
    ///
    /// A node port matches any address, because a node has several and the kernel has already
    /// checked that the address was one of them. Of several paths to the endpoint, this is the
    /// first in the order of the rules whose conditions on the source the client meets: for a
    /// service with external traffic policy Local, pods and the node pass `KUBE-SVC`, a client
    /// outside the cluster `KUBE-SVL`. A client whose `on_node` is unknown is treated as not on the
    /// node.
    #[must_use]
    pub fn decision(&self, translation: &Translation) -> Option<&Decision> {
        let paths = self.paths(translation)?;
        let (client, endpoint) = (&translation.client, translation.endpoint.ip());
        let open = |decision: &&Decision| decision.is_open_to(client, endpoint) != Some(false);
        let requires_node = |decision: &&Decision| decision.from.contains(&Source::Node);
        let mut open_paths = paths.iter().filter(open);
        match client.on_node {
            Some(_) => open_paths.next(),
            None => open_paths
                .clone()
                .find(|path| !requires_node(path))
                .or_else(|| open_paths.next()),
        }
    }

    /// Why the rules refuse a connection to this address. A node port matches any address, as in
    /// [`Self::decision`].
    #[must_use]
    pub fn refusal(&self, destination: SocketAddr, protocol: Protocol) -> Option<&Refusal> {
        let [address, node_port] = portals(destination, protocol);
        let refusal = |portal| self.refusals.get(&portal);
        refusal(address).or_else(|| refusal(node_port))
    }

    /// The service of a cluster, external or load balancer address that leads to an endpoint. Node
    /// ports are not found: without an endpoint, any address with the same port would match. For an
    /// address that leads to none, see [`Self::refusal`].
    #[must_use]
    pub fn service(&self, address: SocketAddr, protocol: Protocol) -> Option<&Arc<str>> {
        let [portal, _] = portals(address, protocol);
        self.services.get(&portal)
    }

    /// Number of pairs of portal and endpoint.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Number of refused portals.
    #[must_use]
    pub fn refusal_count(&self) -> usize {
        self.refusals.len()
    }

    /// Whether no rule leads to any endpoint: kube-proxy is not running, or no service has
    /// endpoints.
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

    /// Adds a path; `false` where there is no room. Calls must be in the order of the rules,
    /// because a client takes the first path that is open to it.
    fn insert(&mut self, portal: Portal, chosen: SocketAddr, decision: Decision) -> bool {
        let paths = self.paths.entry((portal, endpoint(chosen))).or_default();
        // With session affinity each path occurs twice: in a rule for returning clients, and in the
        // random choice after it.
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
            add_service(&mut self.services, portal, &decision.service);
            paths.push(decision);
            self.path_count += 1;
        }
        true
    }
}

/// Sets the service of a portal. Of several, which kube-proxy does not write, the first by name:
/// the result must not depend on the order of a hash map.
fn add_service(services: &mut HashMap<Portal, Arc<str>>, portal: Portal, service: &Arc<str>) {
    let known = services
        .entry(portal)
        .or_insert_with(|| Arc::clone(service));
    if service < known {
        *known = Arc::clone(service);
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
