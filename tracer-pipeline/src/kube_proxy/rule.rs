//! One rule, whatever it was read from: conditions and a target, as far as kube-proxy's rules are
//! made of them. Conditions and targets that kube-proxy does not use are left out by the readers.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::Protocol;
use super::decision::Answer;
use super::finding::Position;
use super::network::Network;
use super::rule_comment::{Remark, ServiceComment};
use super::source::Source;

/// The chains that mark a packet for SNAT in POSTROUTING and return: of the iptables mode, and of
/// the nftables mode before Kubernetes 1.31.
const MASQUERADE_CHAINS: [&str; 2] = ["KUBE-MARK-MASQ", "mark-for-masquerade"];

/// The conditions and the target of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule<'t> {
    pub(super) position: Position,
    pub(super) source: Source,
    pub(super) destination: Option<Destination>,
    pub(super) protocol: Option<Protocol>,
    pub(super) destination_port: Option<u16>,
    /// `--dst-type LOCAL`: any address of the node.
    pub(super) to_node: bool,
    /// `-m recent --rcheck`, or an affinity set: the client had this endpoint before.
    pub(super) returning_client: bool,
    /// The service that the rule names.
    pub(super) service: Option<Cow<'t, str>>,
    pub(super) remark: Option<Remark>,
    pub(super) target: Target<'t>,
}

/// `-d network`, perhaps negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) network: Network,
    pub(super) negated: bool,
}

/// Where a rule leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Target<'t> {
    /// Nowhere that matters here.
    #[default]
    Other,
    /// A jump to one of kube-proxy's chains.
    Chain(Cow<'t, str>),
    /// To an endpoint.
    Dnat(SocketAddr),
    /// Marked for masquerade, and on to the next rule.
    Mark,
    /// To nobody.
    Refuse(Answer),
}

impl<'t> Rule<'t> {
    /// Notes the service that the rule's comment names, if it does.
    pub(super) fn comment(&mut self, comment: Cow<'t, str>) {
        if let Some(ServiceComment { service, remark }) = ServiceComment::read(comment) {
            self.service = Some(service);
            self.remark = remark;
        }
    }
}

impl<'t> Target<'t> {
    /// A jump, or what it amounts to.
    pub(super) fn jump(chain: Cow<'t, str>) -> Self {
        if MASQUERADE_CHAINS.contains(&&*chain) {
            Self::Mark
        } else {
            Self::Chain(chain)
        }
    }
}
