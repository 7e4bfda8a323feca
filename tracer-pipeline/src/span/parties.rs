//! The pods, containers, nodes and service of an exchange, as attributes.
//!
//! In: the request's journey, the directory. Out: attributes for both sides. OpenTelemetry's
//! `k8s.*` names describe one side only, so source and destination have `hopspan.*` names; the
//! service has OpenTelemetry's. The strings are shared between spans, not copied.

use std::{net::SocketAddr, sync::Arc};

use opentelemetry_semantic_conventions::attribute as semconv;
use tracer_common::journey::End;
use tracer_semconv::party::{DESTINATION, Keys, SOURCE};

use crate::{
    decode::{DeviceId, Journey, fact::WorkloadKind},
    flow::Side,
    http::Exchange,
    identity::directory::{Directory, Party, PartyKey, Service},
};

use super::{
    attribute::{Attribute, key},
    edge::{Edge, EdgeEnd},
};

/// The parties on both sides of an exchange, and the service that the client connected to.
#[derive(Clone, Debug, Default)]
pub(super) struct Parties<'w> {
    source: Party<'w>,
    destination: Party<'w>,
    service: Option<&'w Arc<Service>>,
}

/// Client and server of an exchange, from the journey of its request.
pub fn sides(exchange: &Exchange) -> [PartyKey; 2] {
    sides_of(&exchange.request.journey)
}

/// Client and server, from the journey of a packet of the client.
pub(super) fn sides_of(journey: &Journey) -> [PartyKey; 2] {
    let server = match (journey.received, journey.conntrack) {
        (Some(received), _) => received.destination,
        (None, Some(conntrack)) => conntrack.reply.source,
        (None, None) => journey.sent.destination,
    };
    let netns = |device: Option<DeviceId>| device.map_or(0, |device| device.netns);
    let first = journey.stamps.iter().find_map(|stamp| stamp.device);
    let last = journey.stamps.iter().rev().find_map(|stamp| stamp.device);
    let source = PartyKey {
        socket: journey.client(),
        cgroup: journey.sender_cgroup,
        netns: netns(first.filter(|_| !journey.has_arrived())),
        listens: false,
        at_ns: journey.start_ns,
    };
    let destination = PartyKey {
        socket: server,
        cgroup: journey.receiver_cgroup,
        netns: netns(last.filter(|_| journey.end == End::Socket)),
        listens: true,
        at_ns: journey.start_ns,
    };
    [source, destination]
}

impl<'w> Parties<'w> {
    /// Looks up both sides, for a client that connected to `asked`.
    pub(super) fn of(
        [source, destination]: &[PartyKey; 2],
        asked: Option<SocketAddr>,
        directory: &'w Directory,
    ) -> Self {
        Self {
            source: directory.party(source),
            destination: directory.party(destination),
            service: asked.and_then(|asked| directory.service(asked, source.at_ns)),
        }
    }

    /// The service's name, where the API has the service.
    pub(super) fn service_name(&self) -> Option<&str> {
        self.service.map(|service| &*service.name)
    }

    /// The service's namespace and name, where the API has the service.
    pub(super) fn service(&self) -> Option<(&'w str, &'w str)> {
        let service = self.service?;
        Some((&service.namespace, &service.name))
    }

    /// A side.
    pub(super) fn party(&self, side: Side) -> &Party<'w> {
        match side {
            Side::Client => &self.source,
            Side::Server => &self.destination,
        }
    }

    /// The name of the workload of a side; else that of its pod, else of its node.
    pub(super) fn workload(&self, side: Side) -> Option<&'w Arc<str>> {
        let party = self.party(side);
        let of_pod = party.pod.and_then(|pod| {
            let workload = pod.workload.as_ref().map(|(_, name)| name);
            workload.or(pod.name.as_ref())
        });
        of_pod.or(party.node)
    }

    /// The edge from workload to service. `decided` is the service by kube-proxy's rules.
    pub(super) fn edge(
        &self,
        [source, destination]: &[PartyKey; 2],
        decided: Option<&Arc<str>>,
    ) -> Edge {
        let named = |party: &Party<'_>| -> Option<EdgeEnd> {
            let pod = party.pod?;
            let workload = pod.workload.as_ref().map(|(_, name)| name);
            let name = workload.or(pod.name.as_ref()).unwrap_or(&pod.uid);
            Some(EdgeEnd::Named(pod.namespace.clone(), Arc::clone(name)))
        };
        let service = self.service.map(|service| {
            let namespace = Some(Arc::clone(&service.namespace));
            EdgeEnd::Named(namespace, Arc::clone(&service.name))
        });
        let on_node = |node: &Arc<str>| EdgeEnd::Named(None, Arc::clone(node));
        Edge {
            caller: named(&self.source)
                .or_else(|| self.source.node.map(on_node))
                .unwrap_or(EdgeEnd::Host(source.socket.ip())),
            called: service
                .or_else(|| decided.map(|service| EdgeEnd::Ruled(Arc::clone(service))))
                .or_else(|| named(&self.destination))
                .unwrap_or(EdgeEnd::Socket(destination.socket)),
        }
    }

    /// Adds the known attributes. `decided` is the service by kube-proxy's rules,
    /// `namespace/name:port`.
    pub(super) fn attributes(&self, decided: Option<&str>, out: &mut Vec<Attribute>) {
        side(&self.source, &SOURCE, out);
        side(&self.destination, &DESTINATION, out);
        if let Some(service) = self.service {
            out.push(Attribute::shared(semconv::K8S_SERVICE_NAME, &service.name));
            if service.headless {
                out.push(Attribute::bool(key::SERVICE_HEADLESS, true));
            }
            if self.destination.pod.is_none() {
                out.push(Attribute::shared(
                    DESTINATION.namespace_name,
                    &service.namespace,
                ));
            }
        } else if let Some((namespace, name)) = decided.and_then(|decided| decided.split_once('/'))
        {
            let name = name.split_once(':').map_or(name, |(name, _)| name);
            out.push(Attribute::written(semconv::K8S_SERVICE_NAME, &name));
            // A service has endpoints only in its own namespace.
            let pod_namespace = self.destination.pod.and_then(|pod| pod.namespace.as_ref());
            if pod_namespace.is_none() {
                out.push(Attribute::written(DESTINATION.namespace_name, &namespace));
            }
        }
    }
}

fn workload_key(keys: &Keys, kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => keys.deployment_name,
        WorkloadKind::ReplicaSet => keys.replica_set_name,
        WorkloadKind::StatefulSet => keys.stateful_set_name,
        WorkloadKind::DaemonSet => keys.daemon_set_name,
        WorkloadKind::Job => keys.job_name,
        WorkloadKind::CronJob => keys.cron_job_name,
    }
}

fn side(party: &Party<'_>, keys: &Keys, out: &mut Vec<Attribute>) {
    let mut add = |key, value: Option<&Arc<str>>| {
        out.extend(value.map(|value| Attribute::shared(key, value)));
    };
    if let Some(pod) = party.pod {
        add(keys.namespace_name, pod.namespace.as_ref());
        add(keys.pod_name, pod.name.as_ref());
        add(keys.pod_uid, Some(&pod.uid));
        if let Some((kind, name)) = &pod.workload {
            add(workload_key(keys, *kind), Some(name));
        }
    }
    if let Some(container) = party.container {
        match &container.name {
            Some(name) => add(keys.container_name, Some(name)),
            // Without the API only the id is known.
            None => add(keys.container_id, Some(&container.id)),
        }
    }
    add(keys.node_name, party.node);
}

#[cfg(test)]
mod tests {
    use crate::{
        decode::{
            Fact,
            fact::{ObjectName, PodFact, ServiceFact, Workload},
        },
        span::Value,
    };

    use super::*;

    fn pod(name: &str, ip: &str, kind: WorkloadKind) -> Fact {
        Fact::Pod(PodFact {
            uid: format!("uid-{name}"),
            pod: object(name),
            node: Some("node-1".into()),
            workload: Some(Workload {
                kind,
                name: "web".into(),
            }),
            addresses: vec![ip.parse().unwrap()],
            ..PodFact::default()
        })
    }

    fn object(name: &str) -> ObjectName {
        ObjectName {
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    /// `key=value` of every attribute, in the order of the keys.
    fn attributes(directory: &Directory, decided: Option<&str>) -> Vec<String> {
        let side = |socket: &str, listens| PartyKey {
            socket: socket.parse().unwrap(),
            cgroup: 0,
            netns: 0,
            listens,
            at_ns: 5,
        };
        let sides = [side("10.244.1.2:40000", false), side("10.244.1.3:80", true)];
        let asked = "10.96.0.10:80".parse().unwrap();
        let mut attributes = Vec::new();
        Parties::of(&sides, Some(asked), directory).attributes(decided, &mut attributes);
        let mut lines: Vec<String> = attributes
            .iter()
            .map(|attribute| match &attribute.value {
                Value::Text(text) => format!("{}={text}", attribute.key),
                Value::Shared(text) => format!("{}={text}", attribute.key),
                Value::Bool(value) => format!("{}={value}", attribute.key),
                Value::Int(number) => format!("{}={number}", attribute.key),
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn both_sides_and_the_service_are_named() {
        let mut directory = Directory::default();
        directory.apply(pod("client", "10.244.1.2", WorkloadKind::CronJob));
        directory.apply(pod("server", "10.244.1.3", WorkloadKind::StatefulSet));
        directory.apply(Fact::Service(ServiceFact {
            service: object("web"),
            addresses: vec!["10.96.0.10".parse().unwrap()],
            ports: vec![80],
            ..ServiceFact::default()
        }));
        let expected = [
            "hopspan.destination.k8s.namespace.name=shop",
            "hopspan.destination.k8s.node.name=node-1",
            "hopspan.destination.k8s.pod.name=server",
            "hopspan.destination.k8s.pod.uid=uid-server",
            "hopspan.destination.k8s.statefulset.name=web",
            "hopspan.source.k8s.cronjob.name=web",
            "hopspan.source.k8s.namespace.name=shop",
            "hopspan.source.k8s.node.name=node-1",
            "hopspan.source.k8s.pod.name=client",
            "hopspan.source.k8s.pod.uid=uid-client",
            "k8s.service.name=web",
        ];
        assert_eq!(attributes(&directory, Some("other/rule:http")), expected);
    }

    #[test]
    fn without_the_api_the_rules_name_the_service() {
        let expected = [
            "hopspan.destination.k8s.namespace.name=shop",
            "k8s.service.name=web",
        ];
        let directory = Directory::default();
        assert_eq!(attributes(&directory, Some("shop/web:http")), expected);
        assert!(attributes(&directory, None).is_empty());
    }
}
