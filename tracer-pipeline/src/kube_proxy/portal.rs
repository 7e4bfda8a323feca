//! Where a service is reached, and what the names of chains and remarks say about it.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Protocol;
use super::decision::{PortalKind, Reason};
use super::rule_comment::Remark;

/// Where a service is reached. kube-proxy's own word for it: "kubernetes service portals".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Portal {
    /// A cluster, external or load balancer address and its port.
    Address(IpAddr, u16, Protocol),
    /// A port on every address of the node.
    NodePort(u16, Protocol),
}

impl Portal {
    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Address(_, _, protocol) | Self::NodePort(_, protocol) => protocol,
        }
    }
}

/// The chains that stand before the endpoints on this node, in both modes; `KUBE-XLB-` before
/// Kubernetes 1.24.
const LOCAL: [&str; 3] = ["KUBE-SVL-", "local-", "KUBE-XLB-"];

/// The chains for what comes to a service from outside, in both modes; the last two before
/// Kubernetes 1.24.
const EXTERNAL: [&str; 4] = ["KUBE-EXT-", "external-", "KUBE-FW-", "KUBE-XLB-"];

/// The chain of node ports in iptables mode. With `--nodeport-addresses` its portals have an
/// address.
const NODE_PORTS: &str = "KUBE-NODEPORTS";

/// Whether a chain leads to endpoints on this node only.
pub(super) fn is_local(chain: &str) -> bool {
    LOCAL.iter().any(|prefix| chain.starts_with(prefix))
}

/// How a portal is named in the Service resource.
pub(super) fn kind(portal: Portal, chains: &[Arc<str>], remark: Option<Remark>) -> PortalKind {
    let external = |chain: &Arc<str>| EXTERNAL.iter().any(|prefix| chain.starts_with(prefix));
    match (portal, remark) {
        (Portal::NodePort(..), _) => PortalKind::NodePort,
        (_, Some(Remark::ClusterIp)) => PortalKind::ClusterIp,
        (_, Some(Remark::ExternalIp)) => PortalKind::ExternalIp,
        (_, Some(Remark::LoadBalancerIp)) => PortalKind::LoadBalancerIp,
        _ if chains.iter().any(|chain| **chain == *NODE_PORTS) => PortalKind::NodePort,
        _ if chains.iter().any(external) => PortalKind::External,
        _ => PortalKind::ClusterIp,
    }
}

/// Why a rule refuses: where it does not say that endpoints are missing, it is the firewall of a
/// load balancer.
pub(super) fn reason(remark: Option<Remark>) -> Reason {
    match remark {
        Some(Remark::NoEndpoints) => Reason::NoEndpoints,
        Some(Remark::NoLocalEndpoints) => Reason::NoLocalEndpoints,
        _ => Reason::SourceNotAllowed,
    }
}
