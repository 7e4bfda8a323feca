//! Clients that request HTTP/2 in their first request (`Upgrade: h2c`): that request is stream 1 of
//! the connection where the server upgrades, and an ordinary exchange where it does not.

use hopspan_e2e::Parent;
use hopspan_lab::{Pod, skip_without};

use super::{
    APACHE, CURL, NGHTTP, NGINX, apache,
    curl::{self, CurlAnswer},
    expected_exchange::ExpectedExchange,
    fixture::{ProgramFixture, endpoint},
    nghttp,
    nginx::{self, Http},
};

const PATHS: [&str; 3] = ["/one", "/missing", "/two"];

/// curl requests HTTP/2 each time; the answers have these versions.
fn check_curl(label: &str, start: fn(&mut ProgramFixture, &Pod), versions: [&str; 3]) {
    let mut fixture = ProgramFixture::start(label);
    let (client, server) = (fixture.pod("client"), fixture.pod("server"));
    start(&mut fixture, &server);
    let service = fixture.service("web", std::slice::from_ref(&server));
    let answers: Vec<CurlAnswer> = PATHS
        .iter()
        .flat_map(|path| curl::get(&client, service.address(), &[path], &["http2"]))
        .collect();
    let traces = fixture.finish();

    let statuses: Vec<&str> = answers.iter().map(|answer| &*answer.status).collect();
    assert_eq!(statuses, ["200", "404", "200"]);
    for (answer, version) in answers.iter().zip(versions) {
        assert_eq!(answer.version, version, "{answer:?}");
        ExpectedExchange {
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
            &answer.parent.exchange(&traces),
        );
    }
    assert_eq!(
        traces.0.len(),
        PATHS.len(),
        "traces without a request of the test"
    );
}

#[test]
fn curl_upgrades_to_http2() {
    if skip_without("curl_upgrades_to_http2", &[CURL, APACHE]) {
        return;
    }
    // Apache answers a request that fails before it considers the upgrade.
    check_curl("upgrade-curl", apache::serve, ["2", "1.1", "2"]);
}

/// nginx does not implement the upgrade, and answers in HTTP/1.1.
#[test]
fn curl_is_refused_the_upgrade() {
    if skip_without("curl_is_refused_the_upgrade", &[CURL, NGINX]) {
        return;
    }
    check_curl(
        "upgrade-refused",
        |fixture, pod| nginx::serve(fixture, pod, Http::One),
        ["1.1"; 3],
    );
}

/// The first request is stream 1, the others follow in HTTP/2 on the same connection.
#[test]
fn nghttp_goes_on_after_the_upgrade() {
    if skip_without("nghttp_goes_on_after_the_upgrade", &[NGHTTP, APACHE]) {
        return;
    }
    let mut fixture = ProgramFixture::start("upgrade-nghttp");
    let (client, server) = (fixture.pod("client"), fixture.pod("server"));
    apache::serve(&mut fixture, &server);
    let service = fixture.service("web", std::slice::from_ref(&server));
    let parent = Parent::new();
    let statuses = nghttp::get(&client, service.address(), &PATHS, "--upgrade", &parent);
    let traces = fixture.finish();

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
        ExpectedExchange {
            version: "2",
            path,
            status: &statuses[path],
            source: client.ip(),
            service: &service,
            endpoint: endpoint(server.ip()),
            // Only the upgraded request waited for the connection: the others waited for its
            // answer.
            connected: path == PATHS[0],
        }
        .assert(trace, exchange);
    }
}
