//! Exchanges of which only one node has an agent. In: the traces. Out: a failed test where that
//! half is incomplete or misplaced.

use hopspan_e2e::{Exchange, Trace};

use super::dispatched::Dispatched;

/// Checks the half of every call between the nodes: it is within the client's span, whatever the
/// agent's clock, and has the attribute of its side.
pub(crate) fn assert_part(dispatched: &Dispatched, half: &str) {
    for (trace, call) in dispatched.calls() {
        let exchange = &trace.exchange_below(call);
        assert_eq!(exchange.attribute("hopspan.half"), half, "{exchange:?}");
        assert_eq!(
            exchange.attribute("hopspan.clock.skew_ns"),
            "",
            "{exchange:?}"
        );
        exchange.assert_within(call);
        assert_legs_within(trace, exchange);
    }
    let text = format!("only the {half}'s node, ");
    assert!(
        dispatched.outcome.page.contains(&text),
        "{}",
        dispatched.outcome.page
    );
}

fn assert_legs_within(trace: &Trace, exchange: &Exchange<'_>) {
    for role in ["request", "response"] {
        let leg = exchange.path(role);
        leg.assert_within(exchange);
        let hops = trace.children(leg);
        assert!(hops.iter().all(|hop| hop.is_within(leg)), "{hops:#?}");
        // Only one end of the wire was seen.
        assert!(hops.iter().all(|hop| hop.name != "wire"), "{hops:#?}");
    }
}
