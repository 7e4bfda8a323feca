//! Facts about the cluster and this node's pods, from the Kubernetes API and from the cgroup tree.
//!
//! Each fact carries the time from which it holds, so that the `identity` stage needs no clock. Times are
//! nanoseconds of `CLOCK_MONOTONIC`, as in the kernel's stamps, unless a field has another unit.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// This node, and the addresses in its own network namespace.
    Node(NodeFact),
    /// A pod is there, or has changed.
    Pod(PodFact),
    /// The API no longer has the pod.
    PodGone {
        /// `metadata.uid`.
        uid: String,
        /// When the agent learnt of it.
        at_ns: u64,
    },
    /// A cgroup of a pod is there.
    Cgroup(CgroupFact),
    /// The cgroup was removed.
    CgroupGone {
        /// Its id.
        id: u64,
        /// When the agent noticed it.
        at_ns: u64,
    },
    /// The network namespace of a pod of this node, and the addresses in it.
    Sandbox(SandboxFact),
    /// The pod's cgroup was removed, and with it whatever ran in it.
    SandboxGone {
        /// The pod, as its cgroup names it.
        pod_uid: String,
        /// When the agent noticed it.
        at_ns: u64,
    },
    /// An EndpointSlice is there, or has changed.
    Endpoints(EndpointsFact),
    /// An EndpointSlice was deleted.
    EndpointsGone {
        /// Namespace and name.
        slice: ObjectName,
        /// When the agent learnt of it.
        at_ns: u64,
    },
    /// A Service is there, or has changed.
    Service(ServiceFact),
    /// A Service was deleted.
    ServiceGone {
        /// Namespace and name.
        service: ObjectName,
        /// When the agent learnt of it.
        at_ns: u64,
    },
    /// A list of everything of one kind begins.
    Listing(Kind),
    /// The list was complete: what it did not name is gone.
    Listed {
        /// Of this kind.
        kind: Kind,
        /// When it was complete.
        at_ns: u64,
    },
}

/// What is watched in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Pods.
    Pod,
    /// EndpointSlices.
    Endpoints,
    /// Services.
    Service,
}

impl Kind {
    /// The API's name of the resource.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Endpoints => "endpointslices",
            Self::Service => "services",
        }
    }
}

/// Namespace and name of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// A node and its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFact {
    /// Its name.
    pub name: String,
    /// Its addresses, loopback not among them.
    pub addresses: Vec<IpAddr>,
}

/// What a pod belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 ReplicaSet that no Deployment made.
    ReplicaSet,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// batch/v1 Job that no CronJob made.
    Job,
    /// batch/v1 CronJob.
    CronJob,
}

/// The workload of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name, in the pod's namespace.
    pub name: String,
}

/// A container that has an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerFact {
    /// The runtime's id, without the runtime's name before it.
    pub id: String,
    /// Its name in the pod's specification.
    pub name: String,
}

/// A pod as the API knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodFact {
    /// `metadata.uid`.
    pub uid: String,
    /// What the kubelet calls it in cgroups, where that is not the uid: static pods.
    pub cgroup_uid: Option<String>,
    /// Namespace and name.
    pub pod: ObjectName,
    /// The node it runs on.
    pub node: Option<String>,
    /// What it belongs to.
    pub workload: Option<Workload>,
    /// It has the node's network namespace, and its addresses.
    pub host_network: bool,
    /// `status.podIPs`.
    pub addresses: Vec<IpAddr>,
    /// `status.hostIPs`.
    pub node_addresses: Vec<IpAddr>,
    /// The TCP ports that a host-network pod declares.
    pub host_ports: Vec<u16>,
    /// Containers of all sorts that have an id.
    pub containers: Vec<ContainerFact>,
    /// When its addresses can be its own at the earliest.
    pub from_ns: u64,
    /// When its last container ended, if all have and none will start.
    pub until_ns: Option<u64>,
}

/// A cgroup below a pod's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CgroupFact {
    /// The inode number of its directory, which the kernel never gives twice.
    pub id: u64,
    /// The pod, as its cgroup names it.
    pub pod_uid: String,
    /// The container, unless it is the pod's own cgroup.
    pub container_id: Option<String>,
}

/// Where the processes of a pod of this node are in the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxFact {
    /// The pod, as its cgroup names it.
    pub pod_uid: String,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// That namespace is the node's.
    pub host_network: bool,
    /// The addresses in it, unless it is the node's.
    pub addresses: Vec<IpAddr>,
    /// When its oldest process started.
    pub from_ns: u64,
}

/// A pod, or something else, behind a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointFact {
    /// `addresses`.
    pub addresses: Vec<IpAddr>,
    /// `targetRef`, where it is a pod: uid, namespace and name.
    pub pod: Option<(String, ObjectName)>,
    /// Its workload, derived from its name; `None` where the name does not show it.
    pub workload: Option<Workload>,
    /// `nodeName`.
    pub node: Option<String>,
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointsFact {
    /// Its own name; its namespace is the service's.
    pub slice: ObjectName,
    /// The service's name.
    pub service: Option<String>,
    /// TCP ports of all its endpoints.
    pub ports: Vec<u16>,
    /// The endpoints.
    pub endpoints: Vec<EndpointFact>,
    /// Since when this holds; 0 where it may be long.
    pub from_ns: u64,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceFact {
    /// Namespace and name.
    pub service: ObjectName,
    /// `clusterIP: None`.
    pub headless: bool,
    /// Cluster, external and load balancer addresses.
    pub addresses: Vec<IpAddr>,
    /// TCP ports at these addresses.
    pub ports: Vec<u16>,
    /// TCP ports at every node's address.
    pub node_ports: Vec<u16>,
    /// Since when this holds; 0 where it may be long.
    pub from_ns: u64,
}
