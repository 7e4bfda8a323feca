//! Clients that ask for HTTP/2 in their first request (`Upgrade: h2c`): that request is stream 1 of
//! the connection, where the server goes over to HTTP/2, and an ordinary exchange where it does not.

use std::time::Duration;

use hopspan_e2e::Parent;
use hopspan_lab::Pod;

use crate::{
    apache,
    available::skip,
    curl::{self, Answer},
    fixture::{Stage, endpoint},
    nghttp_tests::statuses,
    nginx::{self, Http},
    wanted::Wanted,
};

const PATHS: [&str; 3] = ["/one", "/missing", "/two"];
const DEADLINE: Duration = Duration::from_secs(60);

/// curl asks each time for HTTP/2, and gets `versions`.
fn check_curl(label: &str, start: fn(&mut Stage, &Pod), versions: [&str; 3]) {
    let mut stage = Stage::new(label);
    let (client, server) = (stage.pod("client"), stage.pod("server"));
    start(&mut stage, &server);
    let service = stage.service("web", std::slice::from_ref(&server));
    let answers: Vec<Answer> = PATHS
        .iter()
        .flat_map(|path| curl::get(&client, service.address(), &[path], &["http2"]))
        .collect();
    let traces = stage.finish();

    let statuses: Vec<&str> = answers.iter().map(|answer| &*answer.status).collect();
    assert_eq!(statuses, ["200", "404", "200"]);
    for (answer, version) in answers.iter().zip(versions) {
        assert_eq!(answer.version, version, "{answer:?}");
        Wanted {
            version,
            path: &answer.path,
            status: &answer.status,
            source: client.ip(),
            service: &service,
            endpoint: endpoint(server.ip()),
            connected: true,
        }
        .assert(
            answer.parent.trace(&traces),
            answer.parent.exchange(&traces),
        );
    }
    assert_eq!(traces.0.len(), PATHS.len(), "traces of nobody's requests");
}

#[test]
fn curl_upgrades_to_http2() {
    if skip("curl_upgrades_to_http2", &["curl", "apache2"]) {
        return;
    }
    // Apache answers a request that ends in an error before it thinks of the upgrade.
    check_curl("upgrade-curl", apache::serve, ["2", "1.1", "2"]);
}

/// nginx does not know the upgrade, and answers in HTTP/1.1.
#[test]
fn curl_is_refused_the_upgrade() {
    if skip("curl_is_refused_the_upgrade", &["curl", "nginx"]) {
        return;
    }
    check_curl(
        "upgrade-refused",
        |stage, pod| nginx::serve(stage, pod, Http::One),
        ["1.1"; 3],
    );
}

/// The first request is stream 1, the others follow in HTTP/2 on the same connection.
#[test]
fn nghttp_goes_on_after_the_upgrade() {
    if skip("nghttp_goes_on_after_the_upgrade", &["nghttp", "apache2"]) {
        return;
    }
    let mut stage = Stage::new("upgrade-nghttp");
    let (client, server) = (stage.pod("client"), stage.pod("server"));
    apache::serve(&mut stage, &server);
    let service = stage.service("web", std::slice::from_ref(&server));
    let parent = Parent::new();
    let output = client
        .command("nghttp")
        .args(["--upgrade", "--null-out", "--stat"])
        .arg(format!("--header=traceparent: {}", parent.traceparent()))
        .args(PATHS.map(|path| format!("http://{}{path}", service.address())))
        .run(DEADLINE)
        .unwrap();
    let traces = stage.finish();

    let statuses = statuses(&output);
    assert_eq!(statuses.len(), PATHS.len(), "nghttp wrote {output}");
    let trace = parent.trace(&traces);
    let exchanges = parent.exchanges(&traces);
    assert_eq!(exchanges.len(), PATHS.len(), "{exchanges:#?}");
    for path in PATHS {
        let found: Vec<_> = exchanges
            .iter()
            .filter(|exchange| exchange.attribute("url.path") == path)
            .collect();
        let [exchange] = found[..] else {
            panic!("{} exchanges of {path}", found.len());
        };
        Wanted {
            version: "2",
            path,
            status: statuses[path],
            source: client.ip(),
            service: &service,
            endpoint: endpoint(server.ip()),
            // The upgraded request alone waited for the connection: the others wait for its answer.
            connected: path == PATHS[0],
        }
        .assert(trace, exchange);
    }
}
