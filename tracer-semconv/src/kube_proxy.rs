//! Values of the `hopspan.kube_proxy.*` attributes.

/// [`KUBE_PROXY_PORTAL`](crate::attribute::KUBE_PROXY_PORTAL): how a client reached a service, in
/// the words of the Service resource.
pub mod portal {
    /// The service's address in the cluster.
    pub const CLUSTER_IP: &str = "ClusterIP";
    /// One of `spec.externalIPs`.
    pub const EXTERNAL_IP: &str = "ExternalIP";
    /// An address of the service's load balancer.
    pub const LOAD_BALANCER: &str = "LoadBalancer";
    /// Either of the two: the rules of the nftables mode are the same for both.
    pub const EXTERNAL_IP_OR_LOAD_BALANCER: &str = "ExternalIP or LoadBalancer";
    /// A port on the node's addresses.
    pub const NODE_PORT: &str = "NodePort";
}

/// [`KUBE_PROXY_REFUSAL`](crate::attribute::KUBE_PROXY_REFUSAL): why kube-proxy's rules lead to no
/// endpoint.
pub mod refusal {
    /// The service has no ready endpoint.
    pub const NO_ENDPOINTS: &str = "no endpoints";
    /// The service has ready endpoints, but none on this node, and its traffic policy is Local.
    pub const NO_LOCAL_ENDPOINTS: &str = "no local endpoints";
    /// The client is not in `spec.loadBalancerSourceRanges`.
    pub const SOURCE_NOT_ALLOWED: &str = "source not allowed";
}

/// [`KUBE_PROXY_MASQUERADE`](crate::attribute::KUBE_PROXY_MASQUERADE): the connection was not
/// marked for masquerade. Any other value is the condition by which a rule marked it.
pub const NO_MASQUERADE: &str = "no";
/// [`KUBE_PROXY_SESSION_AFFINITY`](crate::attribute::KUBE_PROXY_SESSION_AFFINITY): a client returns
/// to the endpoint it had before.
pub const SESSION_AFFINITY_CLIENT_IP: &str = "ClientIP";
/// [`KUBE_PROXY_TRAFFIC_POLICY`](crate::attribute::KUBE_PROXY_TRAFFIC_POLICY): only endpoints on
/// the node were candidates.
pub const TRAFFIC_POLICY_LOCAL: &str = "Local";
/// Stands between two chains in [`KUBE_PROXY_RULE`](crate::attribute::KUBE_PROXY_RULE).
pub const RULE_SEPARATOR: &str = " > ";
