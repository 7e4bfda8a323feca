//! The service that a connection leads to, by kube-proxy's rules alone.
//!
//! In: packets of the connection, the rules. Out: the service's name, `namespace/name:port`. Only
//! looks up and allocates nothing, so that it can be done for exchanges without spans.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    decode::{Conntrack, Journey},
    http::Leg,
    kube_proxy::{Client, Protocol, Rules, Translation},
};

/// The service of a connection: that of the first of its packets which shows one.
pub(super) fn service_of<'l>(
    legs: impl Iterator<Item = &'l Leg>,
    rules: &Rules,
) -> Option<Arc<str>> {
    let mut packets = legs.flat_map(|leg| [&leg.journey].into_iter().chain(&leg.earlier));
    packets.find_map(|journey| service(journey, rules))
}

/// The service that the client of this packet, or its receiver, connected to.
pub(super) fn service(journey: &Journey, rules: &Rules) -> Option<Arc<str>> {
    match journey.translation() {
        Some(known) => translated(known, rules),
        None => connected_to(journey.sent.destination, rules),
    }
}

/// The service of a connection with this translation.
pub(super) fn translated(known: Conntrack, rules: &Rules) -> Option<Arc<str>> {
    let asked = known.original.destination;
    connected_to(asked, rules).or_else(|| {
        let decision = rules.decision(&Translation {
            client: Client {
                ip: known.original.source.ip(),
                on_node: None,
            },
            destination: asked,
            protocol: Protocol::Tcp,
            endpoint: known.reply.source,
        });
        decision.map(|decision| Arc::clone(&decision.service))
    })
}

/// The service of an address, or that of a closed portal.
pub(super) fn connected_to(asked: SocketAddr, rules: &Rules) -> Option<Arc<str>> {
    let refused = || {
        let refusal = rules.refusal(asked, Protocol::Tcp)?;
        Some(&refusal.service)
    };
    let service = rules.service(asked, Protocol::Tcp).or_else(refused);
    service.map(Arc::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_the_rules_refuse_has_its_service() {
        let (rules, _) = Rules::from_iptables_save(
            "*filter\n\
        -A KUBE-SERVICES -d 10.0.0.1/32 -p tcp -m comment --comment \"a/b:c has no endpoints\" -m tcp --dport 80 -j REJECT\n\
        -A KUBE-EXTERNAL-SERVICES -m addrtype --dst-type LOCAL -p tcp -m comment --comment \"a/b:d has no local endpoints\" -m tcp --dport 30000 -j DROP\n\
        COMMIT\n",
        );
        for (asked, expected) in [
            ("10.0.0.1:80", Some("a/b:c")),
            ("192.168.7.9:30000", Some("a/b:d")),
            ("10.0.0.2:80", None),
        ] {
            let service = connected_to(asked.parse().unwrap(), &rules);
            assert_eq!(service.as_deref(), expected, "{asked}");
        }
    }
}
