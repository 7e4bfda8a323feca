//! The directory of pods, containers, nodes and services: which of them had an address, a cgroup or
//! a network namespace at a given time.
//!
//! In: facts, in the order in which the agent read them, each with the time at which it holds. Out:
//! the names of one side of an exchange. Guesses nothing: where two pods are possible, neither is
//! returned. Does no I/O and has no clock, so a recording replays to the same names.

mod endpoints;
mod pods;
mod services;
mod timeline;

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::decode::{
    Fact,
    fact::{Kind, ObjectName},
};

pub use pods::{Container, Pod};
pub use services::Service;

use endpoints::Endpoints;
use pods::Pods;
use services::Services;
use timeline::Timeline;

/// How long ended pods and services are kept: longer than an exchange is open.
const HISTORY_NS: u64 = 600_000_000_000;
/// How often older ones are removed.
const PRUNE_EVERY_NS: u64 = 10_000_000_000;
/// Bound on cgroups whose names are no longer waited for.
const MAX_UNNAMED_CGROUPS: usize = 4096;
/// Bound on node addresses; Kubernetes supports 5,000 nodes.
const MAX_NODE_ADDRESSES: usize = 65_536;

/// What the kernel shows of one side of an exchange, by which the directory finds its [`Party`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartyKey {
    /// Address and port.
    pub socket: SocketAddr,
    /// The cgroup v2 id of its socket; 0 where its socket is not on this node.
    pub cgroup: u64,
    /// Inode number of the network namespace of its first or last device; 0 where unknown.
    pub netns: u32,
    /// It is the side that listens, so its port identifies a pod.
    pub listens: bool,
    /// The time to look up, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
}

/// The pod, container and node of one side of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party<'w> {
    /// `None` where the side is no pod, and where several pods are possible.
    pub pod: Option<&'w Pod>,
    /// Known only for a socket of this node.
    pub container: Option<&'w Container>,
    /// The node of the pod or of the address.
    pub node: Option<&'w Arc<str>>,
}

/// Number of entries in the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct DirectoryStats {
    /// Pods, including those that ended in the last 10 minutes.
    pub pods: usize,
    /// EndpointSlices.
    pub endpoint_slices: usize,
    /// Services.
    pub services: usize,
    /// Entries that were refused because a bound was reached.
    pub refused: u64,
}

/// Pods, endpoints, services and nodes, with their recent past.
#[derive(Debug, Default)]
pub struct Directory {
    pods: Pods,
    endpoints: Endpoints,
    services: Services,
    own_node: Option<Arc<str>>,
    nodes: HashMap<IpAddr, Arc<str>>,
    /// Uids of host-network pods by the sockets they declare to listen on.
    host_ports: Timeline<SocketAddr, Arc<str>>,
    pruned_ns: u64,
    /// The API's list of this node's pods is complete.
    has_pods: bool,
    /// Cgroups that stayed without a pod or without the pod's name.
    unnamed_cgroups: HashSet<u64>,
}

impl Directory {
    /// Applies a fact.
    pub fn apply(&mut self, fact: Fact) {
        match fact {
            Fact::Node(node) => {
                let name: Arc<str> = node.name.into();
                self.node_addresses(&node.addresses, &name);
                self.own_node = Some(name);
            }
            Fact::Pod(pod) => {
                if let Some(node) = &pod.node {
                    self.node_addresses(&pod.node_addresses, &node.as_str().into());
                }
                let uid: Arc<str> = pod.uid.as_str().into();
                for address in pod.addresses.iter().filter(|_| pod.host_network) {
                    for port in &pod.host_ports {
                        let socket = SocketAddr::new(*address, *port);
                        self.host_ports
                            .set(socket, Arc::clone(&uid), pod.from_ns, pod.until_ns);
                    }
                }
                self.pods.pod(pod);
            }
            Fact::PodGone { uid, at_ns } => self.pods.pod_gone(&uid, at_ns),
            Fact::Cgroup(cgroup) => self.pods.cgroup(cgroup),
            Fact::CgroupGone { id, at_ns } => self.pods.cgroup_gone(id, at_ns),
            Fact::Sandbox(sandbox) => self.pods.sandbox(sandbox, self.own_node.as_ref()),
            Fact::SandboxGone { pod_uid, at_ns } => self.pods.sandbox_gone(&pod_uid, at_ns),
            Fact::Endpoints(slice) => self.endpoints.slice(slice, &mut self.pods),
            Fact::EndpointsGone { slice, at_ns } => {
                self.endpoints.slice_gone(&slice, at_ns, &mut self.pods);
            }
            Fact::Service(service) => self.services.service(service),
            Fact::ServiceGone { service, at_ns } => self.services.service_gone(&service, at_ns),
            Fact::Listing(Kind::Pod) => self.pods.listing(),
            Fact::Listing(Kind::Endpoints) => self.endpoints.listing(),
            Fact::Listing(Kind::Service) => self.services.listing(),
            Fact::Listed { kind, at_ns } => match kind {
                Kind::Pod => {
                    self.has_pods = true;
                    self.pods.listed(at_ns);
                }
                Kind::Endpoints => self.endpoints.listed(at_ns, &mut self.pods),
                Kind::Service => self.services.listed(at_ns),
            },
        }
    }

    /// Removes what ended more than 10 minutes before `now_ns`.
    pub fn prune(&mut self, now_ns: u64) {
        if now_ns < self.pruned_ns.saturating_add(PRUNE_EVERY_NS) {
            return;
        }
        self.pruned_ns = now_ns;
        let before_ns = now_ns.saturating_sub(HISTORY_NS);
        self.pods.prune_before(before_ns);
        self.endpoints.prune_before(before_ns);
        self.services.prune_before(before_ns);
        self.host_ports.prune_before(before_ns);
    }

    /// Number of entries.
    pub fn stats(&self) -> DirectoryStats {
        DirectoryStats {
            pods: self.pods.len(),
            endpoint_slices: self.endpoints.len(),
            services: self.services.len(),
            refused: self.pods.refused()
                + self.endpoints.refused()
                + self.services.refused()
                + self.host_ports.refused(),
        }
    }

    /// Whether waiting would not improve the names of a side. The cgroup of a new container and the
    /// name of a new pod become known a little after the pod's first packets.
    pub fn is_resolved(&self, side: &PartyKey) -> bool {
        if side.cgroup == 0
            || self.own_node.is_none()
            || self.unnamed_cgroups.contains(&side.cgroup)
        {
            return true;
        }
        let pod = self.pods.by_cgroup(side.cgroup);
        pod.is_some_and(|(pod, _)| pod.name.is_some() || !self.has_pods)
    }

    /// Counts a side as resolved from now on, because the wait for its names was in vain.
    pub fn stop_waiting_for(&mut self, side: &PartyKey) {
        if self.is_resolved(side) {
            return;
        }
        if self.unnamed_cgroups.len() >= MAX_UNNAMED_CGROUPS {
            self.unnamed_cgroups.clear();
        }
        self.unnamed_cgroups.insert(side.cgroup);
    }

    /// Whether two cgroups are the same, or belong to containers of one pod.
    pub fn is_one_pod(&self, one: u64, other: u64) -> bool {
        let uid = |cgroup| self.pods.by_cgroup(cgroup).map(|(pod, _)| &pod.uid);
        let both = uid(one).zip(uid(other));
        one != 0 && (one == other || both.is_some_and(|(one, other)| one == other))
    }

    /// The pod, container and node of a side.
    ///
    /// The socket's cgroup comes first: it belongs to one container even where several share an
    /// address, and its id is never reused. Then the network namespace, then the port of a
    /// listening side, then the address unless it is a node's. For a node's address without a pod
    /// only the node is returned.
    pub fn party(&self, side: &PartyKey) -> Party<'_> {
        if let Some((pod, container)) = self.pods.by_cgroup(side.cgroup) {
            return Party {
                pod: Some(pod),
                container,
                node: pod.node.as_ref().or(self.own_node.as_ref()),
            };
        }
        let address = side.socket.ip().to_canonical();
        let node = self.nodes.get(&address);
        let pod = self
            .pods
            .by_namespace(side.netns, side.at_ns)
            .or_else(|| self.by_port(side))
            .or_else(|| match node {
                Some(_) => None,
                None => self.by_address(address, side.at_ns),
            });
        Party {
            pod,
            container: None,
            node: pod.and_then(|pod| pod.node.as_ref()).or(node),
        }
    }

    /// The service at the address that a client connected to. For a pod's address, the pod's
    /// headless service, if it has exactly one.
    pub fn service(&self, asked: SocketAddr, at_ns: u64) -> Option<&Arc<Service>> {
        let asked = SocketAddr::new(asked.ip().to_canonical(), asked.port());
        if let Some(service) = self.services.at(asked, at_ns) {
            return Some(service);
        }
        if self.nodes.contains_key(&asked.ip()) {
            return self.services.at_node_port(asked.port(), at_ns);
        }
        let services = self.endpoints.services_of(asked, at_ns);
        let mut headless = services
            .into_iter()
            .filter_map(|name: &Arc<ObjectName>| self.services.get(name))
            .filter(|service| service.headless);
        let only = headless.next()?;
        headless.all(|other| other == only).then_some(only)
    }

    fn by_port(&self, side: &PartyKey) -> Option<&Pod> {
        let socket = SocketAddr::new(side.socket.ip().to_canonical(), side.socket.port());
        let uid = side
            .listens
            .then(|| {
                let endpoint = self.endpoints.pod_at(socket, side.at_ns);
                endpoint.or_else(|| self.host_ports.at(socket, side.at_ns).first().copied())
            })
            .flatten()?;
        self.not_ended(uid, side.at_ns)
    }

    fn by_address(&self, address: IpAddr, at_ns: u64) -> Option<&Pod> {
        self.pods.by_address(address, at_ns).or_else(|| {
            let uid = self.endpoints.pod_of(address, at_ns)?;
            self.not_ended(uid, at_ns)
        })
    }

    /// The pod, unless it had ended: an EndpointSlice may name a pod after its end.
    fn not_ended(&self, uid: &str, at_ns: u64) -> Option<&Pod> {
        let ended = self.pods.has_ended(uid, at_ns);
        self.pods.get(uid).filter(|_| !ended)
    }

    fn node_addresses(&mut self, addresses: &[IpAddr], name: &Arc<str>) {
        for address in addresses {
            if self.nodes.len() < MAX_NODE_ADDRESSES || self.nodes.contains_key(address) {
                self.nodes.insert(*address, Arc::clone(name));
            }
        }
    }
}

#[cfg(test)]
mod tests;
