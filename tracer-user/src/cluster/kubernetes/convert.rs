//! Converts objects of the API to facts.
//!
//! In: an object, and when it was received. Out: a fact about its addresses and ports, with the
//! time from which the fact holds. Text that is no address, port or time is left out.

use std::net::IpAddr;

use k8s_openapi::jiff::Timestamp;
use tracer_pipeline::decode::{
    ClockSample, Fact,
    fact::{ContainerFact, EndpointFact, EndpointsFact, ObjectName, PodFact, ServiceFact},
};

use crate::cluster::workload::{self, Owner};

use super::object::{ContainerStatus, EndpointSlice, Ip, Metadata, Object, Pod, Port, Service};

/// The API's times are truncated to seconds.
const RESOLUTION_NS: u64 = 1_000_000_000;

/// When an object was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Both clocks at that time.
    pub(super) clock: ClockSample,
    /// The object is in the first list, and may have existed for a long time.
    pub(super) first_list: bool,
}

impl Received {
    pub(super) fn at_ns(self) -> u64 {
        self.clock.monotonic_ns
    }

    /// The time from which the fact holds, for kinds without a start time.
    fn since_ns(self) -> u64 {
        if self.first_list { 0 } else { self.at_ns() }
    }

    /// Converts a time of the API (RFC 3339) to CLOCK_MONOTONIC. 0 for a time before the machine's
    /// start.
    fn monotonic_ns(self, time: &str) -> Option<u64> {
        let unix_ns = time.parse::<Timestamp>().ok()?.as_nanosecond();
        let distance_ns = i128::from(self.clock.monotonic_ns) - i128::from(self.clock.realtime_ns);
        u64::try_from((unix_ns + distance_ns).max(0)).ok()
    }
}

/// An object that was applied or deleted.
pub(super) trait ToFact: Object {
    fn applied(&self, received: Received) -> Fact;
    fn deleted(&self, at_ns: u64) -> Fact;
}

impl ToFact for Pod {
    fn applied(&self, received: Received) -> Fact {
        let owner = self.metadata.owner_references.iter();
        let owner = owner.clone().find(|owner| owner.controller);
        let workload = owner.and_then(|owner| {
            let hash = self.metadata.labels.pod_template_hash.as_deref();
            let (kind, name) = (&owner.kind, &owner.name);
            workload::of_owner(Owner { kind, name }, hash)
        });
        let status = &self.status;
        let addresses = ips(&status.pod_ips, status.pod_ip.as_deref());
        Fact::Pod(PodFact {
            uid: self.metadata.uid.clone(),
            cgroup_uid: self.metadata.annotations.config_hash.clone(),
            pod: name(&self.metadata),
            node: self.spec.node_name.clone(),
            workload,
            host_network: self.spec.host_network,
            node_addresses: ips(&status.host_ips, status.host_ip.as_deref()),
            host_ports: if self.spec.host_network {
                let containers = self.spec.containers.iter();
                let declared = containers.flat_map(|container| &container.ports);
                let tcp = declared.filter(|port| is_tcp(port.protocol.as_deref()));
                tcp.filter_map(|port| port_number(port.container_port))
                    .collect()
            } else {
                Vec::new()
            },
            containers: containers(self).collect(),
            from_ns: from_ns(self, received, !addresses.is_empty()),
            until_ns: until_ns(self, received),
            addresses,
        })
    }

    fn deleted(&self, at_ns: u64) -> Fact {
        Fact::PodGone {
            uid: self.metadata.uid.clone(),
            at_ns,
        }
    }
}

impl ToFact for EndpointSlice {
    fn applied(&self, received: Received) -> Fact {
        let endpoints = self.endpoints.iter().map(|endpoint| {
            let target = &endpoint.target_ref;
            let is_pod = target.kind == "Pod" && !target.uid.is_empty();
            EndpointFact {
                // A slice of address type FQDN has names here, which are left out.
                addresses: addresses(endpoint.addresses.iter().map(String::as_str)),
                pod: is_pod.then(|| {
                    let pod = ObjectName {
                        namespace: target.namespace.clone(),
                        name: target.name.clone(),
                    };
                    (target.uid.clone(), pod)
                }),
                workload: is_pod
                    .then(|| workload::of_name(&target.name, endpoint.hostname.as_deref()))
                    .flatten(),
                node: endpoint.node_name.clone(),
            }
        });
        Fact::Endpoints(EndpointsFact {
            slice: name(&self.metadata),
            service: self.metadata.labels.service_name.clone(),
            ports: ports(&self.ports, |port| port.port),
            endpoints: endpoints.collect(),
            from_ns: received.since_ns(),
        })
    }

    fn deleted(&self, at_ns: u64) -> Fact {
        Fact::EndpointsGone {
            slice: name(&self.metadata),
            at_ns,
        }
    }
}

impl ToFact for Service {
    fn applied(&self, received: Received) -> Fact {
        let spec = &self.spec;
        let texts = spec.cluster_ips.iter().chain(&spec.cluster_ip);
        let texts = texts.chain(&spec.external_ips).map(String::as_str);
        let ingress = &self.status.load_balancer.ingress;
        let texts = texts.chain(ingress.iter().map(|ingress| ingress.ip.as_str()));
        Fact::Service(ServiceFact {
            service: name(&self.metadata),
            headless: spec.cluster_ip.as_deref() == Some("None"),
            addresses: addresses(texts),
            ports: ports(&spec.ports, |port| port.port),
            node_ports: ports(&spec.ports, |port| port.node_port),
            from_ns: received.since_ns(),
        })
    }

    fn deleted(&self, at_ns: u64) -> Fact {
        Fact::ServiceGone {
            service: name(&self.metadata),
            at_ns,
        }
    }
}

/// The earliest time at which the pod can have had its addresses: the start of its first container.
/// A pod with an address and without a started container has the address now.
fn from_ns(pod: &Pod, received: Received, has_address: bool) -> u64 {
    let starts = statuses(pod).flat_map(|status| {
        [
            &status.state.running,
            &status.state.terminated,
            &status.last_state.terminated,
        ]
    });
    let starts = starts.filter_map(|times| received.monotonic_ns(times.started_at.as_deref()?));
    let seen_ns = (has_address && !received.first_list).then(|| received.at_ns());
    starts.chain(seen_ns).min().unwrap_or_else(|| {
        let created = pod.status.start_time.as_deref();
        created
            .and_then(|time| received.monotonic_ns(time))
            .unwrap_or_else(|| received.since_ns())
    })
}

/// The end of a completed pod's last container. `None` if the pod is not completed.
fn until_ns(pod: &Pod, received: Received) -> Option<u64> {
    if !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
        return None;
    }
    let ends = statuses(pod).filter_map(|status| {
        let finished = status.state.terminated.finished_at.as_deref()?;
        received.monotonic_ns(finished)
    });
    let ended_ns = ends.max().map(|ns| ns.saturating_add(RESOLUTION_NS));
    Some(ended_ns.map_or(received.at_ns(), |ended_ns| ended_ns.min(received.at_ns())))
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = &pod.status;
    let init = status.init_container_statuses.iter();
    init.chain(&status.container_statuses)
        .chain(&status.ephemeral_container_statuses)
}

/// The containers of the pod, also those before the last restart.
fn containers(pod: &Pod) -> impl Iterator<Item = ContainerFact> {
    statuses(pod).flat_map(|status| {
        let before = &status.last_state.terminated.container_id;
        let ids = [before, &status.container_id].into_iter().flatten();
        ids.map(|id| ContainerFact {
            id: id.split_once("://").map_or(&**id, |(_, id)| id).to_owned(),
            name: status.name.clone(),
        })
    })
}

fn name(metadata: &Metadata) -> ObjectName {
    ObjectName {
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
    }
}

fn ips(all: &[Ip], first: Option<&str>) -> Vec<IpAddr> {
    addresses(all.iter().map(|ip| ip.ip.as_str()).chain(first))
}

/// The valid addresses in their order, without repetitions.
fn addresses<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for address in texts.filter_map(|text| text.parse::<IpAddr>().ok()) {
        let address = address.to_canonical();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn ports(ports: &[Port], number: impl Fn(&Port) -> Option<i64>) -> Vec<u16> {
    let tcp = ports.iter().filter(|port| is_tcp(port.protocol.as_deref()));
    tcp.filter_map(|port| port_number(number(port)?)).collect()
}

/// Whether a port is of TCP, which is the API's default.
fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}

fn port_number(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests;
