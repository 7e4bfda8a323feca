//! Which exchanges have spans for their hops (`--detail`), and how many exchanges have spans
//! (`--max-exchanges-per-second`).

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::collections::{BTreeMap, BTreeSet};

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

/// The number of spans of requests, responses and hops.
fn roles(outcome: &Outcome) -> [usize; 3] {
    ["request", "response", "hop"].map(|role| {
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
    let [requests, responses, hops] = roles(&outcome);
    assert!(requests >= (DISPATCHES * EXCHANGES) as usize, "{requests}");
    assert_eq!([responses, hops], [requests, 0]);
    for trace in outcome.traces.0.values() {
        for request in trace.of_role("request") {
            let hops = request.attribute("hopspan.hops");
            assert!(hops.starts_with("client.stack "), "{hops}");
            assert!(hops.contains(", socket.queue "), "{hops}");
        }
    }
    // The waterfall shows the hops nonetheless.
    for hop in ["client.stack", "netfilter.prerouting", "socket.queue"] {
        assert!(outcome.page.contains(hop), "no {hop}:\n{}", outcome.page);
    }
}

/// One exchange in ten has spans for its hops, and those that were slow.
#[test]
fn hops_have_spans_where_they_are_worth_it() {
    if hopspan_lab::skip("hops_have_spans_where_they_are_worth_it") {
        return;
    }
    let baseline = ["--detail", "auto", "--baseline", "10", "--slow", "10s"];
    let outcome = dispatched("auto", 10, &baseline);
    outcome.report().assert_nothing_lost();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for trace in outcome.traces.0.values() {
        for request in trace.of_role("request") {
            let reason = request.attribute("hopspan.detail.reason");
            let has_hops = !trace.children(request).is_empty();
            assert_eq!(has_hops, !reason.is_empty(), "{request:#?}");
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let exchanges: usize = reasons.values().sum();
    // A packet that TCP sends again on a busy machine is a reason too, and begins the count anew.
    let expected = exchanges / 10;
    assert!(
        (expected - 3..=expected).contains(&reasons["baseline"]),
        "{reasons:?}"
    );
    assert!(!reasons.contains_key("slow"), "{reasons:?}");

    let slow = ["--detail", "auto", "--baseline", "0", "--slow", "1ns"];
    let outcome = dispatched("auto-slow", 1, &slow);
    for trace in outcome.traces.0.values() {
        for exchange in trace.exchanges() {
            exchange.assert_attributes(&[("hopspan.detail.reason", "slow")]);
            assert_legs(trace, &exchange, !exchange.paths("connect").is_empty());
        }
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
    let shed = outcome.report().number(&["pipeline", "shed"]);
    let exported = outcome.report().number(&["pipeline", "exchanges_traced"]);
    assert!(shed > 0, "{exported} were exported");
    let kernel = outcome.report().number(&["kernel", "journeys", "shed"]);
    let traced = u64::from(200 * EXCHANGES);
    assert!(
        shed + kernel + exported >= traced,
        "{shed}, {kernel} and {exported} of {traced}"
    );
    let [requests, responses, _] = roles(&outcome);
    assert_eq!(requests as u64, exported);
    assert_eq!(responses, requests);
    let mut marked = 0;
    let mut services = BTreeSet::new();
    for trace in outcome.traces.0.values() {
        for exchange in &trace.exchanges() {
            let connected = !exchange.paths("connect").is_empty();
            assert_legs(trace, exchange, connected);
            services.insert(exchange.attribute("k8s.service.name").to_owned());
            let shed = exchange.attribute("hopspan.shed");
            marked += shed.parse::<u64>().unwrap_or(0);
        }
    }
    assert!(services.len() >= 4, "only {services:?}");
    assert!(
        marked > 0 && marked <= shed,
        "{marked} of {shed} are marked"
    );
}
