//! What netfilter did to the addresses of a connection, as attributes. In: a journey, the rules. Out:
//! the translation, kube-proxy's decision behind it, and why it marked for masquerade.

use std::net::SocketAddr;

use tracer_common::hook::Hook;

use crate::{
    decode::{Conntrack, Journey, Stamp},
    identity::kube_proxy::{Client, Decision, Protocol, Rules, Source, Translation},
};

use super::attribute::{Attribute, key};

/// The translation of one connection.
pub(super) struct Nat<'r> {
    original: SocketAddr,
    translated: SocketAddr,
    masquerade: Option<SocketAddr>,
    decision: Option<&'r Decision>,
    marked: Option<Source>,
}

impl<'r> Nat<'r> {
    /// `None` where no address was changed.
    pub(super) fn of(journey: &Journey, rules: &'r Rules) -> Option<Self> {
        let Conntrack { original, reply } = journey.translation()?;
        if reply == original.reversed() {
            return None;
        }
        let masqueraded = reply.destination != original.source;
        let translation = Translation {
            client: Client {
                ip: original.source.ip(),
                on_node: is_on_node(&journey.stamps),
            },
            destination: original.destination,
            protocol: Protocol::Tcp,
            endpoint: reply.source,
        };
        let decision = rules.decision(&translation);
        let marked = decision.and_then(|decision| {
            decision.marked(&translation.client, reply.source.ip(), masqueraded)
        });
        Some(Self {
            original: original.destination,
            translated: reply.source,
            masquerade: masqueraded.then_some(reply.destination),
            decision,
            marked,
        })
    }

    /// Where the client sent to.
    pub(super) fn original(&self) -> SocketAddr {
        self.original
    }

    /// kube-proxy's decision, where the rules have one.
    pub(super) fn decision(&self) -> Option<&'r Decision> {
        self.decision
    }

    /// What is known where the destination is chosen.
    pub(super) fn destination_attributes(&self) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        if self.original != self.translated {
            attributes.push(Attribute::text(
                key::NAT_ORIGINAL,
                self.original.to_string(),
            ));
            attributes.push(Attribute::text(
                key::NAT_TRANSLATED,
                self.translated.to_string(),
            ));
        }
        if let Some(decision) = self.decision {
            attributes.extend(decision_attributes(decision));
            let marked = self
                .marked
                .map_or("no".to_owned(), |source| source.to_string());
            attributes.push(Attribute::text(key::KUBE_PROXY_MASQUERADE, marked));
        }
        attributes
    }

    /// What is known where the source is replaced.
    pub(super) fn source_attributes(&self) -> Vec<Attribute> {
        self.masquerade
            .map(|source| Attribute::text(key::NAT_MASQUERADE, source.to_string()))
            .into_iter()
            .collect()
    }
}

fn decision_attributes(decision: &Decision) -> impl Iterator<Item = Attribute> {
    let always = [
        Attribute::text(key::KUBE_PROXY_SERVICE, decision.service.to_string()),
        Attribute::text(key::KUBE_PROXY_PORTAL, decision.portal.as_str()),
        Attribute::text(key::KUBE_PROXY_RULE, decision.chain_path()),
    ];
    let affinity = decision
        .session_affinity
        .then(|| Attribute::text(key::KUBE_PROXY_SESSION_AFFINITY, "ClientIP"));
    let policy = decision
        .local_endpoints_only
        .then(|| Attribute::text(key::KUBE_PROXY_TRAFFIC_POLICY, "Local"));
    always.into_iter().chain(affinity).chain(policy)
}

/// Whether the sender is in the node's own namespace: its packets pass OUTPUT, those of pods and of
/// other nodes PREROUTING. `None` where neither hook saw the packet.
fn is_on_node(stamps: &[Stamp]) -> Option<bool> {
    let passed = |hook| stamps.iter().any(|stamp| stamp.hook == hook);
    if passed(Hook::OutputEnter) {
        return Some(true);
    }
    passed(Hook::PreroutingEnter).then_some(false)
}
