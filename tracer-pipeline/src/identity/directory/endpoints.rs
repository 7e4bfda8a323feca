//! Endpoints of services: pods of any node, by address and port.
//!
//! In: EndpointSlices. Out: the uid of the pod at an address, or at an address and port, at a given
//! time, and the services it belonged to. An EndpointSlice has the time of its change, not the time
//! at which the pod got its address; for this node's pods `pods` is more precise.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::decode::fact::{EndpointsFact, ObjectName};

use super::{pods::Pods, timeline::Timeline};

/// Bound on EndpointSlices: at 100 endpoints each, enough for more pods than a cluster has.
const MAX_SLICES: usize = 65_536;

/// The pod and the service of an address and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Backend {
    pod: Option<Arc<str>>,
    service: Option<Arc<ObjectName>>,
}

#[derive(Debug, Default)]
struct Slice {
    backends: HashSet<(IpAddr, u16, Backend)>,
    /// Addresses and the uids of their pods. Host-network pods share an address with their node.
    pods: HashSet<(IpAddr, Arc<str>)>,
    listed: u32,
}

/// All known EndpointSlices.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    slices: HashMap<ObjectName, Slice>,
    sockets: Timeline<SocketAddr, Backend>,
    addresses: Timeline<IpAddr, Arc<str>>,
    listing: u32,
    refused: u64,
}

impl Endpoints {
    /// The pod that listened at this address and port.
    pub(super) fn pod_at(&self, socket: SocketAddr, at_ns: u64) -> Option<&Arc<str>> {
        let backends = self.sockets.at(socket, at_ns);
        backends
            .into_iter()
            .find_map(|backend| backend.pod.as_ref())
    }

    /// The pod that had this address. `None` where several pods did, which share their node's.
    pub(super) fn pod_of(&self, address: IpAddr, at_ns: u64) -> Option<&Arc<str>> {
        match self.addresses.at(address, at_ns)[..] {
            [uid] => Some(uid),
            _ => None,
        }
    }

    /// The services with this address and port as an endpoint.
    pub(super) fn services_of(&self, socket: SocketAddr, at_ns: u64) -> Vec<&Arc<ObjectName>> {
        let backends = self.sockets.at(socket, at_ns);
        let services = backends.into_iter();
        services
            .filter_map(|backend| backend.service.as_ref())
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.slices.len()
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused + self.sockets.refused() + self.addresses.refused()
    }

    pub(super) fn slice(&mut self, fact: EndpointsFact, pods: &mut Pods) {
        if self.slices.len() >= MAX_SLICES && !self.slices.contains_key(&fact.slice) {
            self.refused += 1;
            return;
        }
        let mut next = Slice {
            listed: self.listing,
            ..Slice::default()
        };
        let service = fact.service.map(|name| {
            Arc::new(ObjectName {
                namespace: fact.slice.namespace.clone(),
                name,
            })
        });
        let mut counted = HashSet::new();
        for endpoint in &fact.endpoints {
            // The new reference is added before `replace` drops the old ones, so a pod that stays
            // in the slice is never unreferenced.
            let uid = pods.endpoint(endpoint);
            for address in &endpoint.addresses {
                for port in &fact.ports {
                    let backend = Backend {
                        pod: uid.clone(),
                        service: service.clone(),
                    };
                    next.backends.insert((*address, *port, backend));
                }
            }
            if let Some(uid) = uid {
                // A slice holds one reference per pod, and drops one for each uid in `Slice::pods`.
                if endpoint.addresses.is_empty() || !counted.insert(Arc::clone(&uid)) {
                    pods.endpoint_gone(&uid, fact.from_ns);
                }
                let held = endpoint.addresses.iter();
                next.pods
                    .extend(held.map(|address| (*address, Arc::clone(&uid))));
            }
        }
        let last = self.slices.remove(&fact.slice).unwrap_or_default();
        self.replace(&last, &next, fact.from_ns, pods);
        self.slices.insert(fact.slice, next);
    }

    pub(super) fn slice_gone(&mut self, slice: &ObjectName, at_ns: u64, pods: &mut Pods) {
        if let Some(last) = self.slices.remove(slice) {
            self.replace(&last, &Slice::default(), at_ns, pods);
        }
    }

    pub(super) fn listing(&mut self) {
        self.listing = self.listing.wrapping_add(1);
    }

    /// The list is complete: slices that it did not contain are gone.
    pub(super) fn listed(&mut self, at_ns: u64, pods: &mut Pods) {
        let gone: Vec<ObjectName> = self
            .slices
            .iter()
            .filter(|(_, slice)| slice.listed != self.listing)
            .map(|(name, _)| name.clone())
            .collect();
        for slice in gone {
            self.slice_gone(&slice, at_ns, pods);
        }
    }

    /// Removes what ended before `before_ns`.
    pub(super) fn prune_before(&mut self, before_ns: u64) {
        self.sockets.prune_before(before_ns);
        self.addresses.prune_before(before_ns);
    }

    fn replace(&mut self, last: &Slice, next: &Slice, at_ns: u64, pods: &mut Pods) {
        for (address, port, backend) in next.backends.difference(&last.backends) {
            let socket = SocketAddr::new(*address, *port);
            self.sockets.begin(socket, backend.clone(), at_ns);
        }
        for (address, port, backend) in last.backends.difference(&next.backends) {
            self.sockets
                .end(SocketAddr::new(*address, *port), backend, at_ns);
        }
        for (address, uid) in next.pods.difference(&last.pods) {
            self.addresses.begin(*address, Arc::clone(uid), at_ns);
        }
        for (address, uid) in last.pods.difference(&next.pods) {
            self.addresses.end(*address, uid, at_ns);
        }
        let mut named: Vec<&Arc<str>> = last.pods.iter().map(|(_, uid)| uid).collect();
        named.sort_unstable();
        named.dedup();
        for uid in named {
            pods.endpoint_gone(uid, at_ns);
        }
    }
}
