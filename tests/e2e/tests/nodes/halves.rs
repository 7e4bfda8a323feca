//! The halves of one exchange, as the agents sent them. In: the spans of a trace, and the nodes of
//! the pods. Out: a failed test where a half is wrong by itself, or the two do not belong together.

use hopspan_e2e::{CallEnds, Outcome, Span, Trace};

use super::hops::Expected;

/// Checks every call of a dispatch. Returns how many were between nodes.
pub(crate) fn assert_halves(
    outcome: &Outcome,
    trace_id: &str,
    ends: &CallEnds,
    expected: &Expected,
) -> usize {
    let trace = &outcome.traces.0[trace_id];
    let mut between = 0;
    for call in trace.calls() {
        let [from, to] = ends.of(call);
        let exchanges = trace.children_of_role(call, "exchange");
        if from == to {
            let seen = expected.sees(from);
            assert_eq!(
                exchanges.len(),
                usize::from(seen),
                "{call:?}: {exchanges:#?}"
            );
            let halves = exchanges.iter().map(|span| span.attribute("hopspan.half"));
            assert!(halves.clone().all(str::is_empty), "{exchanges:#?}");
            continue;
        }
        between += 1;
        assert_ends(trace, call, &exchanges, [from, to], expected);
        for exchange in exchanges {
            for key in [
                "http.request.method",
                "http.response.status_code",
                "rpc.grpc.status_code",
            ] {
                let value = call.attribute(key);
                assert!(
                    value.is_empty() || exchange.attribute(key) == value,
                    "{key}: {exchange:#?}"
                );
            }
        }
    }
    between
}

/// Checks the halves of a call from one node to another.
pub(crate) fn assert_ends(
    trace: &Trace,
    call: &Span,
    exchanges: &[&Span],
    [from, to]: [&str; 2],
    expected: &Expected,
) {
    let of = |half: &str| {
        let mut found = exchanges
            .iter()
            .copied()
            .filter(|exchange| exchange.attribute("hopspan.half") == half);
        let first = found.next();
        assert!(found.next().is_none(), "{half} twice: {exchanges:#?}");
        first
    };
    let (client, server) = (of("client"), of("server"));
    assert_eq!(
        client.is_some(),
        expected.sees(from),
        "{call:?}: {exchanges:#?}"
    );
    assert_eq!(
        server.is_some(),
        expected.sees(to),
        "{call:?}: {exchanges:#?}"
    );
    let halves = usize::from(client.is_some()) + usize::from(server.is_some());
    assert_eq!(exchanges.len(), halves, "{exchanges:#?}");
    if let (Some(client), Some(server)) = (client, server) {
        assert_eq!(client.span_id, server.span_id);
        let wires = |half, role| wire_ids(trace, half, role);
        for role in ["connect", "request", "response"] {
            assert_eq!(wires(client, role), wires(server, role), "wires of {role}");
        }
    }
    if let Some(client) = client {
        assert_eq!(client.resource["k8s.node.name"], from);
        assert!(
            !client.attribute("hopspan.nat.original").is_empty()
                || !expected.kernel.has_netfilter_links()
        );
        client.assert_within(call);
        assert_half(trace, client, expected);
    }
    if let Some(server) = server {
        assert_eq!(server.resource["k8s.node.name"], to);
        // The translation was on another node: this half has no attributes of it.
        for key in [
            "hopspan.nat.original",
            "hopspan.nat.masquerade",
            "hopspan.kube_proxy.rule",
            "hopspan.service.headless",
        ] {
            assert_eq!(server.attribute(key), "", "{key} of {server:#?}");
        }
        assert_half(trace, server, expected);
    }
}

/// Checks that the legs of a half are complete, and have the hops of its node.
fn assert_half(trace: &Trace, exchange: &Span, expected: &Expected) {
    for key in ["hopspan.incomplete", "error.type", "hopspan.closed_by"] {
        assert_eq!(exchange.attribute(key), "", "{key} of {exchange:#?}");
    }
    let half = exchange.attribute("hopspan.half");
    for role in ["request", "response"] {
        let found = of_this_half(trace, exchange, role);
        let [leg] = found[..] else {
            panic!("{} {role} spans under {exchange:#?}", found.len());
        };
        leg.assert_within(exchange);
        assert_eq!(leg.attribute("hopspan.incomplete"), "", "{leg:#?}");
        let hops = hops_of(trace, leg);
        assert_contiguous(leg, &hops, 0);
        let names: Vec<&str> = hops
            .iter()
            .map(|hop| hop.attribute("hopspan.hop"))
            .collect();
        expected.assert_hops(&names, role, half);
    }
    for connect in of_this_half(trace, exchange, "connect") {
        connect.assert_within(exchange);
        // The client's node does not see what is between the two wires.
        let holes = usize::from(half == "client");
        assert_contiguous(connect, &hops_of(trace, connect), holes);
    }
}

/// The spans of a role below an exchange that the same agent has sent.
fn of_this_half<'t>(trace: &'t Trace, exchange: &Span, role: &str) -> Vec<&'t Span> {
    let mut legs = trace.children_of_role(exchange, role);
    legs.retain(|leg| leg.resource == exchange.resource);
    let halves = legs.iter().map(|leg| leg.attribute("hopspan.half"));
    assert!(
        halves
            .clone()
            .all(|half| half == exchange.attribute("hopspan.half")),
        "{legs:#?}"
    );
    legs
}

fn hops_of<'t>(trace: &'t Trace, leg: &Span) -> Vec<&'t Span> {
    let mut hops = trace.children(leg);
    hops.retain(|hop| hop.resource == leg.resource);
    hops
}

/// The span ids of the wires, in the order of time.
fn wire_ids<'t>(trace: &'t Trace, exchange: &Span, role: &str) -> Vec<&'t str> {
    let legs = of_this_half(trace, exchange, role);
    let hops = legs.iter().flat_map(|leg| hops_of(trace, leg));
    let wires = hops.filter(|hop| hop.attribute("hopspan.hop") == "wire");
    wires.map(|wire| wire.span_id.as_str()).collect()
}

/// Checks that every nanosecond of a leg is in one hop, except for so many holes, each between two
/// wires.
fn assert_contiguous(leg: &Span, hops: &[&Span], holes: usize) {
    assert!(!hops.is_empty(), "no hops under {leg:?}");
    let mut at_ns = leg.start_ns;
    let mut found = 0;
    let mut last = "";
    for hop in hops {
        let name = hop.attribute("hopspan.hop");
        if hop.start_ns != at_ns {
            assert_eq!(
                (last, name),
                ("wire", "wire"),
                "hole before {hop:?} in {hops:#?}"
            );
            assert!(hop.start_ns > at_ns, "overlap before {hop:?}");
            found += 1;
        }
        if name == "wire" {
            assert_eq!(hop.duration_ns(), 0, "{hop:?}");
            assert_eq!(hop.attribute("network.interface.name"), "eth0", "{hop:?}");
        }
        at_ns = hop.end_ns;
        last = name;
    }
    assert_eq!(at_ns, leg.end_ns, "the hops end before {leg:?} does");
    assert_eq!(found, holes, "holes in {hops:#?}");
}
