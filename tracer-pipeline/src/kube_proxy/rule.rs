//! One rule of any form: the conditions and targets that kube-proxy uses. The readers omit others.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::Protocol;
use super::decision::Answer;
use super::finding::Position;
use super::network::Network;
use super::rule_comment::{Remark, ServiceComment};
use super::source::Source;

/// The chains that mark a packet for SNAT in POSTROUTING and return: in the iptables mode, and in
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
    /// `-m recent --rcheck`, or an affinity set: the client has used this endpoint before.
    pub(super) returning_client: bool,
    /// The service, `namespace/name:port`.
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

/// What a rule does with matching packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Target<'t> {
    /// Anything else, which has no effect here.
    #[default]
    Other,
    /// A jump to one of kube-proxy's chains.
    Chain(Cow<'t, str>),
    /// Translates the destination to an endpoint.
    Dnat(SocketAddr),
    /// Marks the packet for masquerade, and continues with the next rule.
    Mark,
    /// Rejects or drops the packet.
    Refuse(Answer),
}

impl<'t> Rule<'t> {
    /// Takes the service and remark from the rule's comment, if it has them.
    pub(super) fn comment(&mut self, comment: Cow<'t, str>) {
        if let Some(ServiceComment { service, remark }) = ServiceComment::read(comment) {
            self.service = Some(service);
            self.remark = remark;
        }
    }
}

impl<'t> Target<'t> {
    /// A jump to a chain; [`Target::Mark`] for the chains that only mark.
    pub(super) fn jump(chain: Cow<'t, str>) -> Self {
        if MASQUERADE_CHAINS.contains(&&*chain) {
            Self::Mark
        } else {
            Self::Chain(chain)
        }
    }
}
