//! What the rules say about one portal: the ways to its endpoints, or why there are none.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::source::{Client, Source};

/// How a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PortalKind {
    /// The address of the service in the cluster.
    ClusterIp,
    /// One of `spec.externalIPs`.
    ExternalIp,
    /// An address of the service's load balancer.
    LoadBalancerIp,
    /// One of the two: the nftables mode does not tell them apart.
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
    /// the one that translates.
    pub chains: Vec<Arc<str>>,
    /// Whether a client returns to the endpoint it had before (`sessionAffinity: ClientIP`), so
    /// that the choice may not be random.
    pub session_affinity: bool,
    /// Whether this path leads to endpoints on this node only (`internalTrafficPolicy` or
    /// `externalTrafficPolicy: Local`).
    pub local_endpoints_only: bool,
    /// The conditions on the source under which a connection takes this path; all of them. Empty:
    /// any connection does that no path before it took.
    pub from: Vec<Source>,
    /// The sources that are marked for masquerade on this path, in the order of the rules. Empty
    /// when none is. Whether the source was replaced is conntrack's word.
    pub masquerade: Vec<Source>,
}

impl Decision {
    /// The chains as one line, the value of `hopspan.kube_proxy.rule`.
    #[must_use]
    pub fn chain_path(&self) -> String {
        self.chains.join(" > ")
    }

    /// Why these rules mark a connection of `client` to `endpoint` for masquerade, or `None` when
    /// they do not. Where a condition is one that an address cannot decide, such as an interface's
    /// name, `source_replaced` decides: whether conntrack shows another source than the client.
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

/// What a client gets that connects to a portal without an endpoint for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// An ICMP error, so that the connection is refused at once.
    Reject,
    /// Nothing: the client waits until it gives up.
    Drop,
}

/// Why a portal leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The service has no ready endpoint.
    NoEndpoints,
    /// It has, but none on this node, and its traffic policy is Local.
    NoLocalEndpoints,
    /// The client is not in `spec.loadBalancerSourceRanges`. Others are let through.
    SourceNotAllowed,
}

/// A portal that the rules close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `namespace/name:port`, as in [`Decision`].
    pub service: Arc<str>,
    /// The chains in the order of the jumps.
    pub chains: Vec<Arc<str>>,
    /// What the client gets.
    pub answer: Answer,
    /// Why.
    pub reason: Reason,
}

impl PortalKind {
    /// In the words of the Service resource.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::ExternalIp => "ExternalIP",
            Self::LoadBalancerIp => "LoadBalancer",
            Self::External => "ExternalIP or LoadBalancer",
            Self::NodePort => "NodePort",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoints => "no endpoints",
            Self::NoLocalEndpoints => "no local endpoints",
            Self::SourceNotAllowed => "source not allowed",
        })
    }
}
