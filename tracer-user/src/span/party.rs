//! Who took part in an exchange: pods, containers, nodes and the service, as attributes.
//!
//! In: the request's journey, who is who. Out: attributes for both sides. OpenTelemetry's `k8s.*`
//! names have one side only, so source and destination have names of their own; the service is
//! one, and has OpenTelemetry's. The strings are shared, not copied, however many spans name them.

use std::{net::SocketAddr, sync::Arc};

use opentelemetry_semantic_conventions::attribute as semconv;
use tracer_common::journey::End;

use crate::{
    decode::{Journey, fact::WorkloadKind},
    identity::who::{Party, Service, Side, Who},
};

use super::attribute::{Attribute, key};

/// Both sides of an exchange, and what was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Parties<'w> {
    source: Party<'w>,
    destination: Party<'w>,
    service: Option<&'w Arc<Service>>,
}

/// The sides of an exchange whose request made this journey: who sent it, and who listened at
/// `destination`.
pub(super) fn sides(journey: &Journey, destination: SocketAddr) -> [Side; 2] {
    let netns = |device: Option<crate::decode::DeviceId>| device.map_or(0, |device| device.netns);
    let first = journey.stamps.iter().find_map(|stamp| stamp.device);
    let last = journey.stamps.iter().rev().find_map(|stamp| stamp.device);
    // What the node itself sends is masqueraded before its journey opens: conntrack knows who sent it.
    let client = journey
        .conntrack
        .map_or(journey.sent.source, |conntrack| conntrack.original.source);
    let source = Side {
        socket: client,
        cgroup: journey.sender_cgroup,
        netns: netns(first),
        listens: false,
        at_ns: journey.start_ns,
    };
    let destination = Side {
        socket: destination,
        cgroup: journey.receiver_cgroup,
        netns: netns(last.filter(|_| journey.end == End::Socket)),
        listens: true,
        at_ns: journey.start_ns,
    };
    [source, destination]
}

impl<'w> Parties<'w> {
    /// Looks up who that was, for a client that asked for `asked`.
    pub(super) fn of([source, destination]: &[Side; 2], asked: SocketAddr, who: &'w Who) -> Self {
        Self {
            source: who.party(source),
            destination: who.party(destination),
            service: who.service(asked, source.at_ns),
        }
    }

    /// The service's name, where the API has told it.
    pub(super) fn service_name(&self) -> Option<&str> {
        self.service.map(|service| &*service.name)
    }

    /// Adds what is known; `decided` is the service by kube-proxy's rules, `namespace/name:port`.
    pub(super) fn attributes(&self, decided: Option<&str>, out: &mut Vec<Attribute>) {
        side(&self.source, &SOURCE, out);
        side(&self.destination, &DESTINATION, out);
        if let Some(service) = self.service {
            out.push(Attribute::shared(semconv::K8S_SERVICE_NAME, &service.name));
            if service.headless {
                out.push(Attribute::bool(key::SERVICE_HEADLESS, true));
            }
            if self.destination.pod.is_none() {
                out.push(Attribute::shared(DESTINATION.namespace, &service.namespace));
            }
        } else if let Some((namespace, name)) = decided.and_then(|decided| decided.split_once('/'))
        {
            let name = name.split_once(':').map_or(name, |(name, _)| name);
            out.push(Attribute::text(semconv::K8S_SERVICE_NAME, name.to_owned()));
            // A service has no endpoints in other namespaces than its own.
            let pod_namespace = self.destination.pod.and_then(|pod| pod.namespace.as_ref());
            if pod_namespace.is_none() {
                out.push(Attribute::text(DESTINATION.namespace, namespace.to_owned()));
            }
        }
    }
}

/// The names of one side's attributes.
struct Keys {
    node: &'static str,
    namespace: &'static str,
    pod: &'static str,
    uid: &'static str,
    container: &'static str,
    container_id: &'static str,
    deployment: &'static str,
    replica_set: &'static str,
    stateful_set: &'static str,
    daemon_set: &'static str,
    job: &'static str,
    cron_job: &'static str,
}

macro_rules! keys {
    ($prefix:literal) => {
        Keys {
            node: concat!($prefix, "k8s.node.name"),
            namespace: concat!($prefix, "k8s.namespace.name"),
            pod: concat!($prefix, "k8s.pod.name"),
            uid: concat!($prefix, "k8s.pod.uid"),
            container: concat!($prefix, "k8s.container.name"),
            container_id: concat!($prefix, "container.id"),
            deployment: concat!($prefix, "k8s.deployment.name"),
            replica_set: concat!($prefix, "k8s.replicaset.name"),
            stateful_set: concat!($prefix, "k8s.statefulset.name"),
            daemon_set: concat!($prefix, "k8s.daemonset.name"),
            job: concat!($prefix, "k8s.job.name"),
            cron_job: concat!($prefix, "k8s.cronjob.name"),
        }
    };
}

const SOURCE: Keys = keys!("hopspan.source.");
const DESTINATION: Keys = keys!("hopspan.destination.");

impl Keys {
    fn workload(&self, kind: WorkloadKind) -> &'static str {
        match kind {
            WorkloadKind::Deployment => self.deployment,
            WorkloadKind::ReplicaSet => self.replica_set,
            WorkloadKind::StatefulSet => self.stateful_set,
            WorkloadKind::DaemonSet => self.daemon_set,
            WorkloadKind::Job => self.job,
            WorkloadKind::CronJob => self.cron_job,
        }
    }
}

fn side(party: &Party<'_>, keys: &Keys, out: &mut Vec<Attribute>) {
    let mut add = |key, value: Option<&Arc<str>>| {
        out.extend(value.map(|value| Attribute::shared(key, value)));
    };
    if let Some(pod) = party.pod {
        add(keys.namespace, pod.namespace.as_ref());
        add(keys.pod, pod.name.as_ref());
        add(keys.uid, Some(&pod.uid));
        if let Some((kind, name)) = &pod.workload {
            add(keys.workload(*kind), Some(name));
        }
    }
    if let Some(container) = party.container {
        match &container.name {
            Some(name) => add(keys.container, Some(name)),
            // Without the API it is all there is.
            None => add(keys.container_id, Some(&container.id)),
        }
    }
    add(keys.node, party.node);
}
