//! Attributes of translated exchanges.

use super::*;

/// The exchange with another client, service and endpoint; `hook` is the first netfilter hook.
fn translated(client: &str, service: &str, endpoint: &str, hook: Hook) -> Exchange {
    let mut exchange = exchange(TRACE);
    let journey = &mut exchange.request.journey;
    journey.sent = Tuple {
        source: address(client),
        destination: address(service),
    };
    let received = Tuple {
        destination: address(endpoint),
        ..journey.sent
    };
    journey.received = Some(received);
    journey.conntrack = Some(Conntrack {
        original: journey.sent,
        reply: received.reversed(),
    });
    journey.stamps[1].hook = hook;
    exchange
}

#[test]
fn kube_proxy_s_decision_is_in_attributes() {
    let keys = ["portal", "masquerade", "session_affinity", "traffic_policy"];
    let check = |client: &str, service: &str, hook: Hook, expected: [&str; 4]| {
        let exchange = translated(client, service, "10.201.1.11:8080", hook);
        let spans = make(&exchange);
        let seen = keys.map(|key| attribute(&spans[0], &format!("hopspan.kube_proxy.{key}")));
        assert_eq!(seen, expected, "{client} {service}");
    };
    let (pod, node) = (Hook::PreroutingEnter, Hook::OutputEnter);
    check(
        "10.201.1.99:4000",
        "10.97.10.10:80",
        pod,
        ["ClusterIP", "no", "", ""],
    );
    check(
        "192.168.7.1:4000",
        "10.97.10.10:80",
        node,
        ["ClusterIP", "source outside the pod network", "", ""],
    );
    check(
        "10.201.1.11:4000",
        "10.97.10.30:80",
        pod,
        ["ClusterIP", "source is the endpoint", "ClientIP", ""],
    );
    check(
        "203.0.113.5:4000",
        "192.168.7.1:30080",
        pod,
        ["NodePort", "every connection", "", ""],
    );
    check(
        "203.0.113.5:4000",
        "10.250.0.2:80",
        pod,
        ["LoadBalancer", "no", "", "Local"],
    );
    check(
        "192.168.7.1:4000",
        "10.250.0.2:80",
        node,
        ["LoadBalancer", "source is the node", "", ""],
    );
    check("10.201.1.99:4000", "10.97.10.99:80", pod, [""; 4]);
}

#[test]
fn the_translation_is_on_the_hop_where_it_happened() {
    let translated_spans: Vec<String> = make(&exchange(TRACE))
        .iter()
        .filter(|span| !attribute(span, "hopspan.nat.original").is_empty())
        .map(|span| span.name.to_string())
        .collect();
    assert_eq!(
        translated_spans,
        [
            "connect",
            // Of the SYN and of the request, not of the SYN-ACK.
            "netfilter.prerouting",
            "request",
            "netfilter.prerouting",
            "response"
        ]
    );
}

#[test]
fn the_source_of_the_node_s_own_packets_is_the_original_one() {
    let mut exchange = exchange(TRACE);
    let journey = &mut exchange.request.journey;
    // The journey opens after OUTPUT and POSTROUTING of the same namespace, which have rewritten
    // both addresses.
    journey.sent = Tuple {
        source: address("10.201.1.1:5000"),
        destination: address("10.201.1.12:8080"),
    };
    journey.received = Some(journey.sent);
    if let Some(conntrack) = &mut journey.conntrack {
        conntrack.original.source = address("172.18.0.2:40000");
        conntrack.reply.destination = address("10.201.1.1:5000");
    }
    let output = |hook| Stamp {
        hook,
        ..journey.stamps[0]
    };
    let (enter, leave) = (output(Hook::OutputEnter), output(Hook::OutputLeave));
    journey.stamps.splice(0..0, [enter, leave]);
    let spans = make(&exchange);
    for (key, expected) in [
        ("source.address", "172.18.0.2"),
        ("source.port", "40000"),
        ("destination.address", "10.201.1.12"),
        ("hopspan.nat.original", "10.97.10.10:80"),
        ("hopspan.nat.masquerade", "10.201.1.1:5000"),
    ] {
        assert_eq!(attribute(&spans[0], key), expected, "{key}");
    }
    let request = named(&spans, "request");
    let translated_spans: Vec<&str> = spans
        .iter()
        .filter(|span| span.parent_id == request.span_id)
        .filter(|span| !attribute(span, "hopspan.nat.original").is_empty())
        .map(|span| &*span.name)
        .collect();
    assert_eq!(
        translated_spans,
        ["netfilter.output"],
        "not in PREROUTING after it"
    );
}

#[test]
fn without_conntrack_the_two_ends_give_the_translation() {
    let mut exchange = exchange(TRACE);
    let with = make(&exchange);
    exchange.request.journey.conntrack = None;
    assert_eq!(make(&exchange), with);
    // A dropped request has no received tuple, so its translation is unknown.
    exchange.request.journey.received = None;
    assert_eq!(attribute(&make(&exchange)[0], "hopspan.nat.original"), "");
}

#[test]
fn a_masqueraded_source() {
    let mut exchange = exchange(TRACE);
    if let Some(conntrack) = &mut exchange.request.journey.conntrack {
        conntrack.reply.destination = address("10.201.1.1:5000");
    }
    let spans = make(&exchange);
    assert_eq!(
        attribute(&spans[0], "hopspan.nat.masquerade"),
        "10.201.1.1:5000"
    );
}
