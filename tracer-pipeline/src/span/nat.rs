//! The translation of a connection's addresses, as attributes. In: a journey, the rules. Out: the
//! translation, kube-proxy's decision behind it, and why the rules marked it for masquerade.

use std::net::SocketAddr;

use tracer_common::hook::Hook;
use tracer_semconv::kube_proxy::{NO_MASQUERADE, SESSION_AFFINITY_CLIENT_IP, TRAFFIC_POLICY_LOCAL};

use crate::{
    decode::{Conntrack, Journey, Stamp},
    kube_proxy::{Client, Decision, Protocol, Rules, Translation},
};

use super::attribute::{Attribute, key};

/// The translation of one connection.
#[derive(Debug)]
pub(super) struct Nat<'r> {
    original: SocketAddr,
    endpoint: SocketAddr,
    masquerade: Option<SocketAddr>,
    decision: Option<&'r Decision>,
    /// Attributes of the destination's translation, built once for several spans.
    destination: Vec<Attribute>,
    source: Option<Attribute>,
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
        let mut destination = Vec::with_capacity(8);
        if original.destination != reply.source {
            destination.push(Attribute::written(key::NAT_ORIGINAL, &original.destination));
            destination.push(Attribute::written(key::NAT_TRANSLATED, &reply.source));
        }
        if let Some(decision) = decision {
            destination.extend(decision_attributes(decision));
            destination.push(match marked {
                Some(source) => Attribute::written(key::KUBE_PROXY_MASQUERADE, &source),
                None => Attribute::text(key::KUBE_PROXY_MASQUERADE, NO_MASQUERADE),
            });
        }
        Some(Self {
            original: original.destination,
            endpoint: reply.source,
            masquerade: masqueraded.then_some(reply.destination),
            decision,
            destination,
            source: masqueraded
                .then(|| Attribute::written(key::NAT_MASQUERADE, &reply.destination)),
        })
    }

    /// The address that the client connected to.
    pub(super) fn original(&self) -> SocketAddr {
        self.original
    }

    /// The address that took its place; `None` where the destination was not changed.
    pub(super) fn translated(&self) -> Option<SocketAddr> {
        (self.endpoint != self.original).then_some(self.endpoint)
    }

    /// The address that took the place of the client's, where it was changed.
    pub(super) fn masquerade(&self) -> Option<SocketAddr> {
        self.masquerade
    }

    /// kube-proxy's decision, where the rules explain the translation.
    pub(super) fn decision(&self) -> Option<&'r Decision> {
        self.decision
    }

    /// Adds the attributes of the hop that translates the destination.
    pub(super) fn destination_attributes(&self, out: &mut Vec<Attribute>) {
        out.extend(self.destination.iter().cloned());
    }

    /// Adds the attributes of the hop that translates the source.
    pub(super) fn source_attributes(&self, out: &mut Vec<Attribute>) {
        out.extend(self.source.clone());
    }
}

fn decision_attributes(decision: &Decision) -> impl Iterator<Item = Attribute> {
    let always = [
        Attribute::shared(key::KUBE_PROXY_SERVICE, &decision.service),
        Attribute::text(key::KUBE_PROXY_PORTAL, decision.portal.as_str()),
        Attribute::written(key::KUBE_PROXY_RULE, &decision.chain_path()),
    ];
    let affinity = decision
        .session_affinity
        .then(|| Attribute::text(key::KUBE_PROXY_SESSION_AFFINITY, SESSION_AFFINITY_CLIENT_IP));
    let policy = decision
        .local_endpoints_only
        .then(|| Attribute::text(key::KUBE_PROXY_TRAFFIC_POLICY, TRAFFIC_POLICY_LOCAL));
    always.into_iter().chain(affinity).chain(policy)
}

/// Whether the sender is in the node's own network namespace: the node's packets pass OUTPUT, those
/// of pods and of other nodes PREROUTING. `None` where the journey has neither hook.
fn is_on_node(stamps: &[Stamp]) -> Option<bool> {
    let passed = |hook| stamps.iter().any(|stamp| stamp.hook == hook);
    if passed(Hook::OutputEnter) {
        return Some(true);
    }
    passed(Hook::PreroutingEnter).then_some(false)
}
