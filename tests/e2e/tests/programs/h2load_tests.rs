//! h2load keeps many streams open on each of its connections: there are as many exchanges as it
//! counts requests.

use std::{collections::HashSet, time::Duration};

use hopspan_e2e::{Parent, Span, Trace, assert_partition};

use hopspan_lab::skip_without;

use super::{
    H2LOAD, NGINX,
    fixture::ProgramFixture,
    nginx::{self, Http},
};

/// Their spans, some 27 each, fit into the agent's export queue: none is lost even if the viewer is
/// slow.
const REQUESTS: usize = 2_000;
const DEADLINE: Duration = Duration::from_secs(120);

/// The numbers of h2load's line `requests: 5000 total, 5000 started, 5000 done, ...`.
fn count(output: &str, of: &str) -> usize {
    let requests = output
        .lines()
        .find_map(|line| line.strip_prefix("requests: "))
        .unwrap_or_else(|| panic!("h2load wrote {output}"));
    requests
        .split(", ")
        .find_map(|part| part.strip_suffix(of)?.trim().parse().ok())
        .unwrap_or_else(|| panic!("h2load does not count {of}: {requests}"))
}

/// Sends [`REQUESTS`] with this many streams on each of the connections.
fn check(label: &str, connections: usize, streams: usize) {
    let mut fixture = ProgramFixture::start(label);
    let (client, server) = (fixture.pod("client"), fixture.pod("server"));
    nginx::serve(&mut fixture, &server, Http::Two);
    let service = fixture.service("web", std::slice::from_ref(&server));
    let parent = Parent::new();
    let output = client
        .command("h2load")
        .arg(format!("--requests={REQUESTS}"))
        .arg(format!("--clients={connections}"))
        .arg(format!("--max-concurrent-streams={streams}"))
        .arg(format!("--header=traceparent: {}", parent.traceparent()))
        .arg(format!("http://{}/item", service.address()))
        .run(DEADLINE)
        .unwrap();
    let traces = fixture.finish();

    assert_eq!(count(&output, "done"), REQUESTS);
    assert_eq!(count(&output, "succeeded"), REQUESTS);
    let exchanges = parent.exchanges(&traces);
    assert_eq!(exchanges.len(), REQUESTS);
    assert_eq!(traces.0.len(), 1, "traces without a request of the test");
    let mut ids = HashSet::new();
    for exchange in &exchanges {
        assert!(ids.insert(&exchange.span_id), "twice: {exchange:?}");
        exchange.assert_attributes(&[
            ("hopspan.incomplete", ""),
            ("network.protocol.version", "2"),
            ("http.request.method", "GET"),
            ("url.path", "/item"),
            ("http.response.status_code", "200"),
            ("hopspan.nat.original", &service.address().to_string()),
        ]);
    }
    assert_legs(parent.trace(&traces));
}

/// Checks that each exchange has its request and its response, complete, and no connect: several
/// requests waited for each connection, and which of them opened it is not known.
fn assert_legs(trace: &Trace) {
    for (role, count) in [
        ("connect", 0),
        ("request", REQUESTS),
        ("response", REQUESTS),
    ] {
        let legs: Vec<&Span> = trace.of_role(role).collect();
        assert_eq!(legs.len(), count, "{role} spans");
        let id = |leg: &&Span| leg.attribute("hopspan.exchange.id").to_owned();
        let exchanges: HashSet<String> = legs.iter().map(id).collect();
        assert_eq!(exchanges.len(), count, "exchanges with a {role} span");
        for leg in &legs {
            assert_eq!(leg.attribute("hopspan.incomplete"), "", "{leg:#?}");
        }
        // Finding the children of a span takes a walk over the whole trace: only a few are checked.
        for leg in legs.iter().step_by(legs.len().div_ceil(100).max(1)) {
            assert_partition(trace, leg);
        }
    }
}

#[test]
fn every_one_of_ten_streams_is_seen() {
    if skip_without("every_one_of_ten_streams_is_seen", &[H2LOAD, NGINX]) {
        return;
    }
    check("h2load-10", 4, 10);
}

#[test]
fn every_one_of_a_hundred_streams_is_seen() {
    if skip_without("every_one_of_a_hundred_streams_is_seen", &[H2LOAD, NGINX]) {
        return;
    }
    check("h2load-100", 2, 100);
}
