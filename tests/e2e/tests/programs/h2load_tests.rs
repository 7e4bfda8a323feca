//! h2load keeps a hundred streams open on each of its connections: as many exchanges as it counts.

use std::{collections::HashSet, time::Duration};

use crate::{
    available::skip,
    nginx::{self, Http},
    stage::Stage,
    wanted::{Parent, assert_legs},
};

const REQUESTS: usize = 5_000;
const CONNECTIONS: usize = 2;
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

#[test]
fn every_one_of_a_hundred_streams_is_seen() {
    let test = "every_one_of_a_hundred_streams_is_seen";
    if skip(test, &["h2load", "nginx"]) {
        return;
    }
    let mut stage = Stage::new("h2load");
    let (client, server) = (stage.pod("client"), stage.pod("server"));
    nginx::serve(&mut stage, &server, Http::Two);
    let service = stage.service("web", std::slice::from_ref(&server));
    let parent = Parent::new();
    let output = client
        .command("h2load")
        .args(["-n", &REQUESTS.to_string(), "-c", &CONNECTIONS.to_string()])
        .args(["-m", "100", "-H"])
        .arg(format!("traceparent: {}", parent.traceparent()))
        .arg(format!("http://{}/item", service.address()))
        .run(DEADLINE)
        .unwrap();
    let traces = stage.finish();

    assert_eq!(count(&output, "done"), REQUESTS);
    assert_eq!(count(&output, "succeeded"), REQUESTS);
    let exchanges = parent.exchanges(&traces);
    assert_eq!(exchanges.len(), REQUESTS);
    let mut ids = HashSet::new();
    for exchange in &exchanges {
        assert!(ids.insert(&exchange.span_id), "twice: {exchange:?}");
        for (key, wanted) in [
            ("hopspan.incomplete", ""),
            ("network.protocol.version", "2"),
            ("http.request.method", "GET"),
            ("url.path", "/item"),
            ("http.response.status_code", "200"),
            ("hopspan.nat.original", &service.address().to_string()),
        ] {
            assert_eq!(exchange.attribute(key), wanted, "{key} of {exchange:#?}");
        }
    }
    let trace = parent.trace(&traces);
    assert_eq!(trace.of_role("connect").count(), CONNECTIONS);
    // Looking below an exchange is a walk over the whole trace: a few stand for all.
    let connected: HashSet<&str> = trace
        .of_role("connect")
        .map(|connect| &*connect.parent_id)
        .collect();
    for exchange in exchanges.iter().step_by(REQUESTS / 100) {
        assert_legs(trace, exchange, connected.contains(&*exchange.span_id));
    }
}
