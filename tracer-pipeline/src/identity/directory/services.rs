//! Services by their addresses and ports.
//!
//! In: Services of the API. Out: the service at an address and port at a given time.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use crate::decode::fact::{ObjectName, ServiceFact};

use super::timeline::Timeline;

/// Bound on services; Kubernetes supports 10,000 in a cluster.
const MAX_SERVICES: usize = 65_536;

/// The names of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `clusterIP: None`: clients find its pods by DNS, without address translation.
    pub headless: bool,
}

#[derive(Debug)]
struct Entry {
    service: Arc<Service>,
    sockets: HashSet<SocketAddr>,
    node_ports: HashSet<u16>,
    listed: u32,
}

/// All known services.
#[derive(Debug, Default)]
pub(super) struct Services {
    entries: HashMap<ObjectName, Entry>,
    sockets: Timeline<SocketAddr, Arc<Service>>,
    node_ports: Timeline<u16, Arc<Service>>,
    listing: u32,
    refused: u64,
}

impl Services {
    pub(super) fn get(&self, name: &ObjectName) -> Option<&Arc<Service>> {
        self.entries.get(name).map(|entry| &entry.service)
    }

    pub(super) fn at(&self, socket: SocketAddr, at_ns: u64) -> Option<&Arc<Service>> {
        self.sockets.at(socket, at_ns).first().copied()
    }

    pub(super) fn at_node_port(&self, port: u16, at_ns: u64) -> Option<&Arc<Service>> {
        self.node_ports.at(port, at_ns).first().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused + self.sockets.refused() + self.node_ports.refused()
    }

    pub(super) fn service(&mut self, fact: ServiceFact) {
        if self.entries.len() >= MAX_SERVICES && !self.entries.contains_key(&fact.service) {
            self.refused += 1;
            return;
        }
        let sockets = fact.addresses.iter().flat_map(|address| {
            let ports = fact.ports.iter();
            ports.map(|port| SocketAddr::new(*address, *port))
        });
        let service = Service {
            namespace: fact.service.namespace.as_str().into(),
            name: fact.service.name.as_str().into(),
            headless: fact.headless,
        };
        let known = self.get(&fact.service).filter(|known| ***known == service);
        let next = Entry {
            service: known.cloned().unwrap_or_else(|| Arc::new(service)),
            sockets: sockets.collect(),
            node_ports: fact.node_ports.iter().copied().collect(),
            listed: self.listing,
        };
        let last = self.entries.remove(&fact.service);
        self.replace(last.as_ref(), Some(&next), fact.from_ns);
        self.entries.insert(fact.service, next);
    }

    pub(super) fn service_gone(&mut self, service: &ObjectName, at_ns: u64) {
        let last = self.entries.remove(service);
        self.replace(last.as_ref(), None, at_ns);
    }

    pub(super) fn listing(&mut self) {
        self.listing = self.listing.wrapping_add(1);
    }

    /// The list is complete: services that it did not contain are gone.
    pub(super) fn listed(&mut self, at_ns: u64) {
        let gone: Vec<ObjectName> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.listed != self.listing)
            .map(|(name, _)| name.clone())
            .collect();
        for service in gone {
            self.service_gone(&service, at_ns);
        }
    }

    /// Removes what ended before `before_ns`.
    pub(super) fn prune_before(&mut self, before_ns: u64) {
        self.sockets.prune_before(before_ns);
        self.node_ports.prune_before(before_ns);
    }

    /// Replaces the addresses of `last` by those of `next`. The claims of `next` begin before those
    /// of `last` end, so an address that stays keeps its beginning.
    fn replace(&mut self, last: Option<&Entry>, next: Option<&Entry>, at_ns: u64) {
        if let Some(next) = next {
            for socket in &next.sockets {
                self.sockets
                    .begin(*socket, Arc::clone(&next.service), at_ns);
            }
            for port in &next.node_ports {
                self.node_ports
                    .begin(*port, Arc::clone(&next.service), at_ns);
            }
        }
        if let Some(last) = last {
            for socket in &last.sockets {
                self.sockets.end(*socket, &last.service, at_ns);
            }
            for port in &last.node_ports {
                self.node_ports.end(*port, &last.service, at_ns);
            }
        }
    }
}
