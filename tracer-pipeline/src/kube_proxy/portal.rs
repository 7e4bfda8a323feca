//! The addresses of services, and what the names of chains and remarks imply about them.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Protocol;
use super::decision::{PortalKind, Reason};
use super::rule_comment::Remark;

/// An address of a service. kube-proxy's word: "kubernetes service portals".
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

/// Prefixes of the chains to endpoints on this node only, in both modes; `KUBE-XLB-` before
/// Kubernetes 1.24.
const LOCAL: [&str; 3] = ["KUBE-SVL-", "local-", "KUBE-XLB-"];

/// Prefixes of the chains for traffic from outside the cluster, in both modes; the last two before
/// Kubernetes 1.24.
const EXTERNAL: [&str; 4] = ["KUBE-EXT-", "external-", "KUBE-FW-", "KUBE-XLB-"];

/// The chain of node ports in iptables mode. With `--nodeport-addresses` its portals have an
/// address.
const NODE_PORTS: &str = "KUBE-NODEPORTS";

/// Whether a chain leads to endpoints on this node only.
pub(super) fn is_local(chain: &str) -> bool {
    LOCAL.iter().any(|prefix| chain.starts_with(prefix))
}

/// The kind of a portal, in the terms of the Service resource.
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

/// The reason of a refusing rule. Without a remark about endpoints the rule is a load balancer's
/// firewall.
pub(super) fn reason(remark: Option<Remark>) -> Reason {
    match remark {
        Some(Remark::NoEndpoints) => Reason::NoEndpoints,
        Some(Remark::NoLocalEndpoints) => Reason::NoLocalEndpoints,
        _ => Reason::SourceNotAllowed,
    }
}
