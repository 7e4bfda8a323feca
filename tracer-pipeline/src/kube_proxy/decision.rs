//! The rules' decision about one portal: a path to an endpoint, or a refusal.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracer_semconv::kube_proxy::{portal, refusal};

use super::source::{Client, Source};

/// The kind of address by which a client reaches a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PortalKind {
    /// The address of the service in the cluster.
    ClusterIp,
    /// One of `spec.externalIPs`.
    ExternalIp,
    /// An address of the service's load balancer.
    LoadBalancerIp,
    /// An external IP or a load balancer's address: the nftables mode does not distinguish them.
    External,
    /// A port on the node's addresses.
    NodePort,
}

/// A path through the rules to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `namespace/name:port`, or `namespace/name` for a service whose only port has no name.
    pub service: Arc<str>,
    /// How the service was reached.
    pub portal: PortalKind,
    /// The chains in the order of the jumps, from `KUBE-SERVICES` (in nftables mode `services`) to
    /// the chain with the DNAT rule.
    pub chains: Vec<Arc<str>>,
    /// Whether a client returns to its earlier endpoint (`sessionAffinity: ClientIP`).
    pub session_affinity: bool,
    /// Whether this path leads to endpoints on this node only (`internalTrafficPolicy` or
    /// `externalTrafficPolicy: Local`).
    pub local_endpoints_only: bool,
    /// The conditions on the source of a connection that takes this path; all must hold. Empty:
    /// every connection that no earlier path has taken.
    pub from: Vec<Source>,
    /// The sources that this path marks for masquerade, in the order of the rules. Whether the
    /// source of a connection was replaced is known from conntrack only.
    pub masquerade: Vec<Source>,
}

impl Decision {
    /// The chains as one line, the value of `hopspan.kube_proxy.rule`.
    #[must_use]
    pub fn chain_path(&self) -> String {
        self.chains.join(" > ")
    }

    /// Why these rules mark a connection of `client` to `endpoint` for masquerade; `None` where
    /// they do not. A condition that an address cannot decide, such as an interface's name, is
    /// taken to hold where `source_replaced`: conntrack shows another source than the client.
    #[must_use]
    pub fn marked(
        &self,
        client: &Client,
        endpoint: IpAddr,
        source_replaced: bool,
    ) -> Option<Source> {
        let first = |holds| {
            let mut sources = self.masquerade.iter().copied();
            sources.find(|source| source.includes(client, endpoint) == holds)
        };
        first(Some(true)).or_else(|| source_replaced.then(|| first(None)).flatten())
    }

    /// Whether a connection of `client` to `endpoint` can have taken this path.
    pub(super) fn is_open_to(&self, client: &Client, endpoint: IpAddr) -> Option<bool> {
        let mut open = Some(true);
        for source in &self.from {
            match source.includes(client, endpoint) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => open = None,
            }
        }
        open
    }
}

/// The kernel's answer to a client of a portal without an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// An ICMP error, so that the connection is refused at once.
    Reject,
    /// None: the client's connect times out.
    Drop,
}

/// Why a portal is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The service has no ready endpoint.
    NoEndpoints,
    /// The service has endpoints, but none on this node, and its traffic policy is Local.
    NoLocalEndpoints,
    /// The client is not in `spec.loadBalancerSourceRanges`; clients in the ranges are accepted.
    SourceNotAllowed,
}

/// A portal that the rules refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `namespace/name:port`, as in [`Decision`].
    pub service: Arc<str>,
    /// The chains in the order of the jumps.
    pub chains: Vec<Arc<str>>,
    /// The kernel's answer to the client.
    pub answer: Answer,
    /// The reason for the refusal.
    pub reason: Reason,
}

impl PortalKind {
    /// The name in the Service resource.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIp => portal::CLUSTER_IP,
            Self::ExternalIp => portal::EXTERNAL_IP,
            Self::LoadBalancerIp => portal::LOAD_BALANCER,
            Self::External => portal::EXTERNAL_IP_OR_LOAD_BALANCER,
            Self::NodePort => portal::NODE_PORT,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoints => refusal::NO_ENDPOINTS,
            Self::NoLocalEndpoints => refusal::NO_LOCAL_ENDPOINTS,
            Self::SourceNotAllowed => refusal::SOURCE_NOT_ALLOWED,
        })
    }
}
