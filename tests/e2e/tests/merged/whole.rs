//! Exchanges of which both agents sent their half. In: the traces. Out: a failed test where the two
//! are not one complete exchange.

use hopspan_e2e::{Exchange, Kernel, Span, Trace, assert_legs};
use hopspan_lab::Overlay;

use super::dispatched::Dispatched;

/// Checks the exchange of every call between the nodes. `within`: it must be within the client's
/// own span, which is on the same clock.
pub(crate) fn assert_whole(dispatched: &Dispatched, within: bool) {
    let mut connects = 0;
    for (trace, call) in dispatched.calls() {
        let exchange = &trace.exchange_below(call);
        for key in ["hopspan.half", "hopspan.incomplete", "error.type"] {
            assert_eq!(exchange.attribute(key), "", "{key} of {exchange:#?}");
        }
        assert_eq!(exchange.resource["k8s.node.name"], "node-1", "the client's");
        if Kernel::running().has_netfilter_links() {
            let masquerade = exchange.attribute("hopspan.nat.masquerade");
            let address = masquerade.rsplit_once(':').map_or(masquerade, |(ip, _)| ip);
            assert_eq!(address, dispatched.masquerade, "{exchange:#?}");
        }
        assert_copies(dispatched, exchange);
        assert!(
            !within || exchange.is_within(call),
            "{exchange:?} is not within {call:?}"
        );
        let connected = exchange.paths("connect").len();
        connects += connected;
        assert_legs(trace, exchange, connected > 0);
        for role in ["connect", "request", "response"] {
            for leg in exchange.paths(role) {
                assert_eq!(leg.attribute("hopspan.half"), "", "{leg:?}");
                assert_crossings(dispatched, trace, leg);
            }
        }
    }
    // One connection each to customer and driver, and to route as many as there were calls at a
    // time.
    assert!(connects >= 3, "{connects} connects between nodes");
    assert!(
        dispatched.outcome.page.contains("node-1 → node-2"),
        "{}",
        dispatched.outcome.page
    );
}

/// Checks that each agent sent its half.
fn assert_copies(dispatched: &Dispatched, exchange: &Exchange<'_>) {
    let sent = &dispatched.outcome.traces.0[&exchange.trace_id].spans;
    let id = |span: &Span| span.attribute("hopspan.exchange.id").to_owned();
    let requests = sent.iter().filter(|span| span.role() == "request");
    let halves = requests.filter(|span| id(span) == id(exchange));
    let mut halves: Vec<[&str; 2]> = halves
        .map(|span| {
            [
                span.attribute("hopspan.half"),
                span.resource["k8s.node.name"].as_str(),
            ]
        })
        .collect();
    halves.sort_unstable();
    assert_eq!(
        halves,
        [["client", "node-1"], ["server", "node-2"]],
        "{exchange:?}"
    );
}

/// Checks that a leg has one wire for each of its packets, between the hops of the two nodes.
fn assert_crossings(dispatched: &Dispatched, trace: &Trace, leg: &Span) {
    let packets = if leg.role() == "connect" { 2 } else { 1 };
    let hops = trace.children(leg);
    let names: Vec<&str> = hops
        .iter()
        .map(|hop| hop.attribute("hopspan.hop"))
        .collect();
    let count = |name: &str| names.iter().filter(|hop| **hop == name).count();
    assert_eq!(count("wire"), packets, "{names:?}");
    let overlays = match dispatched.options.overlay {
        Overlay::None => 0,
        Overlay::Vxlan => 2 * packets,
    };
    assert_eq!(count("overlay"), overlays, "{names:?}");
    if overlays > 0 {
        let tunnels = names
            .windows(3)
            .filter(|hops| *hops == ["overlay", "wire", "overlay"]);
        assert_eq!(tunnels.count(), packets, "{names:?}");
    }
    assert_eq!(names.first(), Some(&"client.stack"));
    for wire in hops
        .iter()
        .filter(|hop| hop.attribute("hopspan.hop") == "wire")
    {
        assert!(wire.duration_ns() > 0, "{wire:?}");
    }
}
