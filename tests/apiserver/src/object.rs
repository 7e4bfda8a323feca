//! Objects as the controllers and the kubelet write them, with the fields that the agent reads and
//! some that it ignores.

use std::net::IpAddr;

use serde_json::{Value, json};

/// A running pod.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    /// `metadata.namespace`.
    pub namespace: &'a str,
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.uid`.
    pub uid: &'a str,
    /// `spec.nodeName`.
    pub node: &'a str,
    /// `status.hostIP`.
    pub node_ip: IpAddr,
    /// `status.podIP`.
    pub ip: IpAddr,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// The kind and name of its controller.
    pub owner: Option<(&'a str, &'a str)>,
    /// The label `pod-template-hash`.
    pub template_hash: Option<&'a str>,
    /// The name and the id of its container.
    pub container: (&'a str, &'a str),
    /// The port that the container declares.
    pub port: u16,
    /// When the container started, RFC 3339.
    pub started_at: &'a str,
}

impl Pod<'_> {
    /// The object as JSON.
    pub fn to_json(&self) -> Value {
        let owners: Vec<Value> = self
            .owner
            .iter()
            .map(|(kind, name)| {
                json!({
                    "apiVersion": "apps/v1",
                    "kind": kind,
                    "name": name,
                    "uid": "00000000-0000-4000-8000-000000000000",
                    "controller": true,
                    "blockOwnerDeletion": true,
                })
            })
            .collect();
        let mut labels = json!({"app": self.container.0});
        if let Some(hash) = self.template_hash {
            labels["pod-template-hash"] = json!(hash);
        }
        json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                "namespace": self.namespace,
                "name": self.name,
                "uid": self.uid,
                "creationTimestamp": self.started_at,
                "labels": labels,
                "annotations": {"example.com/note": "not of interest"},
                "ownerReferences": owners,
                "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:status": {}}}],
            },
            "spec": {
                "nodeName": self.node,
                "hostNetwork": self.host_network,
                "containers": [{
                    "name": self.container.0,
                    "image": "example.com/image",
                    "ports": [{"containerPort": self.port, "protocol": "TCP"}],
                }],
            },
            "status": {
                "phase": "Running",
                "podIP": self.ip.to_string(),
                "podIPs": [{"ip": self.ip.to_string()}],
                "hostIP": self.node_ip.to_string(),
                "hostIPs": [{"ip": self.node_ip.to_string()}],
                "startTime": self.started_at,
                "containerStatuses": [{
                    "name": self.container.0,
                    "containerID": format!("containerd://{}", self.container.1),
                    "ready": true,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": self.started_at}},
                    "lastState": {},
                }],
            },
        })
    }
}

/// A Service with these TCP ports, each with the same target port. The `cluster_ip` of a headless
/// service is `None`.
pub fn service(namespace: &str, name: &str, cluster_ip: &str, ports: &[u16]) -> Value {
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| {
            json!({
                "name": format!("port-{port}"), "port": port, "targetPort": port, "protocol": "TCP",
            })
        })
        .collect();
    json!({
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"namespace": namespace, "name": name, "uid": format!("uid-{namespace}-{name}")},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": cluster_ip,
            "clusterIPs": [cluster_ip],
            "ports": ports,
            "selector": {"app": name},
        },
        "status": {"loadBalancer": {}},
    })
}

/// A pod in an EndpointSlice.
#[derive(Clone, Debug)]
pub struct Endpoint<'a> {
    /// The pod's address.
    pub ip: IpAddr,
    /// The pod's name.
    pub pod: &'a str,
    /// The pod's uid.
    pub uid: &'a str,
    /// The pod's node.
    pub node: &'a str,
}

/// The EndpointSlice of a service, with one port.
pub fn endpoint_slice(
    namespace: &str,
    service: &str,
    port: u16,
    endpoints: &[Endpoint<'_>],
) -> Value {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|endpoint| {
            json!({
                "addresses": [endpoint.ip.to_string()],
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "nodeName": endpoint.node,
                "targetRef": {
                    "kind": "Pod",
                    "namespace": namespace,
                    "name": endpoint.pod,
                    "uid": endpoint.uid,
                },
            })
        })
        .collect();
    json!({
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "namespace": namespace,
            "name": format!("{service}-x2x4v"),
            "uid": format!("uid-{namespace}-{service}-slice"),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
    })
}
