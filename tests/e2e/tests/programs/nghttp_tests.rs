//! nghttp asks for several paths on one connection, all at once, with padded frames.

use std::{collections::BTreeMap, time::Duration};

use hopspan_e2e::Parent;

use crate::{
    available::skip,
    fixture::{Stage, endpoint},
    nginx::{self, Http},
    wanted::Wanted,
};

const PATHS: [&str; 5] = ["/one", "/missing", "/two", "/three", "/four"];
const DEADLINE: Duration = Duration::from_secs(60);

/// The status of each path, of nghttp's table with the columns `id responseEnd requestStart process
/// code size path`.
pub(crate) fn statuses(output: &str) -> BTreeMap<&str, &str> {
    output
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [.., code, _size, path] = fields[..] else {
                return None;
            };
            path.starts_with('/').then_some((path, code))
        })
        .collect()
}

#[test]
fn padding_hides_nothing() {
    if skip("padding_hides_nothing", &["nghttp", "nginx"]) {
        return;
    }
    let mut stage = Stage::new("nghttp");
    let (client, server) = (stage.pod("client"), stage.pod("server"));
    nginx::serve(&mut stage, &server, Http::Two);
    let service = stage.service("web", std::slice::from_ref(&server));
    let parent = Parent::new();
    let output = client
        .command("nghttp")
        .args(["--null-out", "--stat", "--padding=100"])
        .arg(format!("--header=traceparent: {}", parent.traceparent()))
        .args(PATHS.map(|path| format!("http://{}{path}", service.address())))
        .run(DEADLINE)
        .unwrap();
    let traces = stage.finish();

    let statuses = statuses(&output);
    assert_eq!(statuses.len(), PATHS.len(), "nghttp wrote {output}");
    assert_eq!(statuses["/missing"], "404");
    let trace = parent.trace(&traces);
    let exchanges = parent.exchanges(&traces);
    let mut paths: Vec<&str> = exchanges
        .iter()
        .map(|exchange| exchange.attribute("url.path"))
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, statuses.keys().copied().collect::<Vec<_>>());
    // All of them waited for the handshake: nobody can tell which began it.
    assert_eq!(trace.of_role("connect").count(), 0);
    for exchange in exchanges {
        let path = exchange.attribute("url.path");
        Wanted {
            version: "2",
            path,
            status: statuses[path],
            source: client.ip(),
            service: &service,
            endpoint: endpoint(server.ip()),
            connected: !trace.children_of_role(exchange, "connect").is_empty(),
        }
        .assert(trace, exchange);
    }
}
