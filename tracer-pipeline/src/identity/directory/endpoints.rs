//! What is behind services: pods of any node, by address and port.
//!
//! In: EndpointSlices. Out: the uid of the pod that an address, or an address and port, belonged to
//! at a moment, and the services it was behind. An EndpointSlice says when it changed, not when
//! the pod got its address; of the node's own pods `pods` knows better.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::decode::fact::{EndpointsFact, ObjectName};

use super::{pods::Pods, timeline::Timeline};

/// EndpointSlices remembered: at 100 endpoints each, those of more pods than a cluster has.
const MAX_SLICES: usize = 65_536;

/// Who listens at an address and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Backend {
    pod: Option<Arc<str>>,
    service: Option<Arc<ObjectName>>,
}

#[derive(Debug, Default)]
struct Slice {
    backends: HashSet<(IpAddr, u16, Backend)>,
    /// Pods and their addresses; the node of a pod that has its node's cannot be told from it.
    pods: HashSet<(IpAddr, Arc<str>)>,
    listed: u32,
}

/// All EndpointSlices.
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

    /// The pod that had this address. `None` where several did: they share their node's.
    pub(super) fn pod_of(&self, address: IpAddr, at_ns: u64) -> Option<&Arc<str>> {
        match self.addresses.at(address, at_ns)[..] {
            [uid] => Some(uid),
            _ => None,
        }
    }

    /// The services that this address and port was behind.
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
            // Counted there before what the slice said so far is taken back: a pod that stays is
            // not forgotten in between.
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
                // A slice counts once for a pod, and takes back what is in `Slice::pods`.
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

    /// What the list did not name is gone.
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

    /// Forgets what ended before this.
    pub(super) fn forget_before(&mut self, before_ns: u64) {
        self.sockets.forget_before(before_ns);
        self.addresses.forget_before(before_ns);
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
