//! Keys of `hopspan.source.*` and `hopspan.destination.*`: the pod, container and node at each end
//! of a connection.
//!
//! They stand on connect, request and response and are strings. OpenTelemetry's `k8s.*` and
//! `container.*` keys, which are the rest of each key, describe one entity per span, and these
//! spans have two. The service that was called is one, and has OpenTelemetry's own key
//! `k8s.service.name`.

/// The keys of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The node's name.
    pub node_name: &'static str,
    /// The pod's namespace; of the destination also the service's, where no pod is known.
    pub namespace_name: &'static str,
    /// The pod's name.
    pub pod_name: &'static str,
    /// The pod's UID.
    pub pod_uid: &'static str,
    /// The container's name in the pod.
    pub container_name: &'static str,
    /// The container's id, where its name is not known.
    pub container_id: &'static str,
    /// The workload of the pod, if it is a Deployment.
    pub deployment_name: &'static str,
    /// The workload of the pod, if it is a ReplicaSet without a Deployment.
    pub replica_set_name: &'static str,
    /// The workload of the pod, if it is a StatefulSet.
    pub stateful_set_name: &'static str,
    /// The workload of the pod, if it is a DaemonSet.
    pub daemon_set_name: &'static str,
    /// The workload of the pod, if it is a Job without a CronJob.
    pub job_name: &'static str,
    /// The workload of the pod, if it is a CronJob.
    pub cron_job_name: &'static str,
}

macro_rules! keys {
    ($prefix:literal) => {
        Keys {
            node_name: concat!($prefix, "k8s.node.name"),
            namespace_name: concat!($prefix, "k8s.namespace.name"),
            pod_name: concat!($prefix, "k8s.pod.name"),
            pod_uid: concat!($prefix, "k8s.pod.uid"),
            container_name: concat!($prefix, "k8s.container.name"),
            container_id: concat!($prefix, "container.id"),
            deployment_name: concat!($prefix, "k8s.deployment.name"),
            replica_set_name: concat!($prefix, "k8s.replicaset.name"),
            stateful_set_name: concat!($prefix, "k8s.statefulset.name"),
            daemon_set_name: concat!($prefix, "k8s.daemonset.name"),
            job_name: concat!($prefix, "k8s.job.name"),
            cron_job_name: concat!($prefix, "k8s.cronjob.name"),
        }
    };
}

/// The end that opened the connection.
pub const SOURCE: Keys = keys!("hopspan.source.");
/// The end that accepted the connection: the pod that was chosen, where the client addressed a
/// service.
pub const DESTINATION: Keys = keys!("hopspan.destination.");
