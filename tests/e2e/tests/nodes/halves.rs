//! The halves of one exchange, as the agents sent them. In: the spans of a trace, and the nodes of
//! the pods. Out: a failed test where a half is wrong by itself, or the two do not belong together.

use hopspan_e2e::{
    CallEnds, Exchange, Outcome, Span, Trace, assert_partition,
    back_ends::{self, Clocks},
};

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
        let exchanges = trace.exchanges_below(call);
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
    exchanges: &[Exchange<'_>],
    [from, to]: [&str; 2],
    expected: &Expected,
) {
    let of = |half: &str| {
        let mut found = exchanges
            .iter()
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
        let id = |half: &Exchange<'_>| half.attribute("hopspan.exchange.id").to_owned();
        assert_eq!(id(client), id(server));
        for (exchange, names) in [
            (client, ["request to wire", "response from wire"]),
            (server, ["request from wire", "response to wire"]),
        ] {
            let seen = ["request", "response"].map(|role| &*exchange.path(role).name);
            assert_eq!(seen, names);
        }
        back_ends::assert_shown(trace, Clocks::Agree);
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
fn assert_half(trace: &Trace, exchange: &Exchange<'_>, expected: &Expected) {
    for key in ["hopspan.incomplete", "error.type", "hopspan.closed_by"] {
        assert_eq!(exchange.attribute(key), "", "{key} of {exchange:#?}");
    }
    let half = exchange.attribute("hopspan.half");
    for role in ["request", "response"] {
        let leg = exchange.path(role);
        assert_eq!(leg.attribute("hopspan.incomplete"), "", "{leg:#?}");
        let hops = trace.children(leg);
        assert_partition(trace, leg);
        // The wire is between the halves.
        assert!(!names_of(&hops).contains(&"wire"), "{hops:#?}");
        let uplink = leg.attribute("network.interface.name");
        assert_eq!(uplink, "eth0", "{leg:#?}");
        expected.assert_hops(&names_of(&hops), role, half);
    }
    for connect in exchange.paths("connect") {
        assert_partition(trace, connect);
        // The client's node does not see what is between the two wires.
        let hops = trace.children(connect);
        let wires = names_of(&hops)
            .iter()
            .filter(|name| **name == "wire")
            .count();
        assert_eq!(wires, usize::from(half == "client"), "{hops:#?}");
    }
}

fn names_of<'t>(hops: &[&'t Span]) -> Vec<&'t str> {
    hops.iter()
        .map(|hop| hop.attribute("hopspan.hop"))
        .collect()
}
