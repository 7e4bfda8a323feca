//! How many spans an exchange has (`--detail`), and how many exchanges have spans
//! (`--max-exchanges-per-second`).

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use hopspan_e2e::{Fixture, Outcome, assert_legs};

const DISPATCHES: u32 = 3;
/// Exchanges between the services in one dispatch. The client's own with frontend is one more.
const EXCHANGES: u32 = 12;

fn dispatched(label: &str, dispatches: u32, arguments: &[&str]) -> Outcome {
    let mut fixture = Fixture::start_with(label, arguments).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    hotrod.dispatch(dispatches, 1).unwrap();
    hotrod.stop().unwrap();
    fixture.finish().unwrap()
}

/// The number of spans of exchanges, requests, responses and hops.
fn roles(outcome: &Outcome) -> [usize; 4] {
    ["exchange", "request", "response", "hop"].map(|role| {
        let traces = outcome.traces.0.values();
        traces.flat_map(|trace| trace.of_role(role)).count()
    })
}

#[test]
fn paths_without_spans_of_their_hops() {
    if hopspan_lab::skip("paths_without_spans_of_their_hops") {
        return;
    }
    let outcome = dispatched("paths", DISPATCHES, &["--detail", "path"]);
    outcome.report().assert_nothing_lost();
    let [exchanges, requests, responses, hops] = roles(&outcome);
    assert!(
        exchanges >= (DISPATCHES * EXCHANGES) as usize,
        "{exchanges}"
    );
    assert_eq!([requests, responses, hops], [exchanges, exchanges, 0]);
    // The waterfall shows the hops nonetheless.
    for hop in ["client.stack", "netfilter.prerouting", "socket.queue"] {
        assert!(outcome.page.contains(hop), "no {hop}:\n{}", outcome.page);
    }
}

#[test]
fn exchanges_without_spans_of_their_paths() {
    if hopspan_lab::skip("exchanges_without_spans_of_their_paths") {
        return;
    }
    let outcome = dispatched("exchanges", DISPATCHES, &["--detail", "exchange"]);
    outcome.report().assert_nothing_lost();
    let [exchanges, requests, responses, hops] = roles(&outcome);
    assert!(
        exchanges >= (DISPATCHES * EXCHANGES) as usize,
        "{exchanges}"
    );
    assert_eq!([requests, responses, hops], [0, 0, 0]);
    let traces = outcome.traces.0.values();
    for exchange in traces.flat_map(|trace| trace.of_role("exchange")) {
        let hops = exchange.attribute("hopspan.request.hops");
        assert!(hops.starts_with("client.stack "), "{hops}");
        assert!(hops.contains(", socket.queue "), "{hops}");
        assert!(!exchange.attribute("hopspan.response.hops").is_empty());
    }
}

/// Each pair of services has its share: no pair is without spans, and every exchange with spans is
/// complete.
#[test]
fn exchanges_are_shed_whole_and_fairly() {
    if hopspan_lab::skip("exchanges_are_shed_whole_and_fairly") {
        return;
    }
    let outcome = dispatched("shed", 200, &["--max-exchanges-per-second", "20"]);
    let shed = outcome.report().number(&["pipeline", "shed", "rate"]);
    let exported = outcome.report().number(&["pipeline", "exchanges_traced"]);
    assert!(shed > 0, "{exported} were exported");
    let kernel = outcome.report().number(&["kernel", "journeys", "shed"]);
    let traced = u64::from(200 * EXCHANGES);
    assert!(
        shed + kernel + exported >= traced,
        "{shed}, {kernel} and {exported} of {traced}"
    );
    assert_eq!(outcome.report().number(&["pipeline", "shed", "queue"]), 0);
    let [exchanges, requests, responses, _] = roles(&outcome);
    assert_eq!(exchanges as u64, exported);
    assert_eq!([requests, responses], [exchanges, exchanges]);
    let mut marked = 0;
    let mut methods = std::collections::BTreeSet::new();
    for trace in outcome.traces.0.values() {
        for exchange in trace.of_role("exchange") {
            let connected = !trace.children_of_role(exchange, "connect").is_empty();
            assert_legs(trace, exchange, connected);
            methods.insert(exchange.name.clone());
            let shed = exchange.attribute("hopspan.shed");
            marked += shed.parse::<u64>().unwrap_or(0);
        }
    }
    assert!(methods.len() >= 4, "only {methods:?}");
    assert!(
        marked > 0 && marked <= shed,
        "{marked} of {shed} are marked"
    );
}
