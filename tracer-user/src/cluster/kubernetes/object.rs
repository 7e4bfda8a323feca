//! Objects of the Kubernetes API, with only the fields that names need.
//!
//! In: JSON of the API. Out: structs. Deserializing skips all other fields, so that a list takes
//! little more memory than its text. A field that is missing or `null` is empty.

use std::borrow::Cow;

use kube::{
    Resource,
    core::{ClusterResourceScope, ObjectMeta},
};
use serde::{Deserialize, Deserializer};
use tracer_pipeline::decode::fact::Kind;

/// A kind of object that is watched.
pub(super) trait Object:
    for<'de> Deserialize<'de> + Clone + std::fmt::Debug + Send + Sync + 'static
{
    const KIND: Kind;
    const NAME: &'static str;
    const GROUP: &'static str;
    const PLURAL: &'static str;

    fn metadata(&self) -> &Metadata;
}

/// An object with the metadata that `kube` requires.
#[derive(Clone, Debug)]
pub(super) struct Watched<T> {
    meta: ObjectMeta,
    pub(super) object: T,
}

impl<'de, T: Object> Deserialize<'de> for Watched<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = T::deserialize(deserializer)?;
        let metadata = object.metadata();
        let meta = ObjectMeta {
            name: Some(metadata.name.clone()),
            namespace: Some(metadata.namespace.clone()),
            resource_version: Some(metadata.resource_version.clone()),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, object })
    }
}

impl<T: Object> Resource for Watched<T> {
    type DynamicType = ();
    // All namespaces are watched at once.
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        T::NAME.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        T::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        T::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

/// Deserializes `null` like a missing field, because the API uses both.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Defines structs whose fields may all be missing or `null`.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, Deserialize)]
            #[serde(default, rename_all = "camelCase")]
            pub(super) struct $name {
                $(
                    $(#[$attribute])*
                    #[serde(deserialize_with = "or_default")]
                    pub(super) $field: $type,
                )*
            }
        )*
    };
}

objects! {
    /// meta/v1 ObjectMeta.
    Metadata {
        name: String,
        namespace: String,
        uid: String,
        resource_version: String,
        labels: Labels,
        annotations: Annotations,
        owner_references: Vec<OwnerReference>,
    }

    Labels {
        /// Set by the Deployment controller on its ReplicaSets and their pods.
        #[serde(rename = "pod-template-hash")]
        pod_template_hash: Option<String>,
        /// The service of an EndpointSlice.
        #[serde(rename = "kubernetes.io/service-name")]
        service_name: Option<String>,
    }

    Annotations {
        /// The uid of a static pod in the kubelet's cgroup names.
        #[serde(rename = "kubernetes.io/config.hash")]
        config_hash: Option<String>,
    }

    OwnerReference {
        kind: String,
        name: String,
        controller: bool,
    }

    /// core/v1 Pod.
    Pod {
        metadata: Metadata,
        spec: PodSpec,
        status: PodStatus,
    }

    PodSpec {
        node_name: Option<String>,
        host_network: bool,
        containers: Vec<PodContainer>,
    }

    PodContainer {
        ports: Vec<ContainerPort>,
    }

    ContainerPort {
        container_port: i64,
        protocol: Option<String>,
    }

    PodStatus {
        phase: String,
        #[serde(rename = "podIP")]
        pod_ip: Option<String>,
        #[serde(rename = "podIPs")]
        pod_ips: Vec<Ip>,
        #[serde(rename = "hostIP")]
        host_ip: Option<String>,
        #[serde(rename = "hostIPs")]
        host_ips: Vec<Ip>,
        start_time: Option<String>,
        init_container_statuses: Vec<ContainerStatus>,
        container_statuses: Vec<ContainerStatus>,
        ephemeral_container_statuses: Vec<ContainerStatus>,
    }

    Ip {
        ip: String,
    }

    ContainerStatus {
        name: String,
        #[serde(rename = "containerID")]
        container_id: Option<String>,
        state: ContainerState,
        last_state: ContainerState,
    }

    ContainerState {
        running: Times,
        terminated: Times,
    }

    Times {
        started_at: Option<String>,
        finished_at: Option<String>,
        #[serde(rename = "containerID")]
        container_id: Option<String>,
    }

    /// discovery.k8s.io/v1 EndpointSlice.
    EndpointSlice {
        metadata: Metadata,
        endpoints: Vec<Endpoint>,
        ports: Vec<Port>,
    }

    Endpoint {
        addresses: Vec<String>,
        hostname: Option<String>,
        node_name: Option<String>,
        target_ref: TargetRef,
    }

    TargetRef {
        kind: String,
        namespace: String,
        name: String,
        uid: String,
    }

    /// A port of an EndpointSlice or a Service.
    Port {
        port: Option<i64>,
        node_port: Option<i64>,
        protocol: Option<String>,
    }

    /// core/v1 Service.
    Service {
        metadata: Metadata,
        spec: ServiceSpec,
        status: ServiceStatus,
    }

    ServiceSpec {
        #[serde(rename = "clusterIP")]
        cluster_ip: Option<String>,
        #[serde(rename = "clusterIPs")]
        cluster_ips: Vec<String>,
        #[serde(rename = "externalIPs")]
        external_ips: Vec<String>,
        ports: Vec<Port>,
    }

    ServiceStatus {
        load_balancer: LoadBalancer,
    }

    LoadBalancer {
        ingress: Vec<Ip>,
    }
}

impl Object for Pod {
    const KIND: Kind = Kind::Pod;
    const NAME: &'static str = "Pod";
    const GROUP: &'static str = "";
    const PLURAL: &'static str = "pods";

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Object for EndpointSlice {
    const KIND: Kind = Kind::Endpoints;
    const NAME: &'static str = "EndpointSlice";
    const GROUP: &'static str = "discovery.k8s.io";
    const PLURAL: &'static str = "endpointslices";

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Object for Service {
    const KIND: Kind = Kind::Service;
    const NAME: &'static str = "Service";
    const GROUP: &'static str = "";
    const PLURAL: &'static str = "services";

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}
