//! nghttp requests several paths on one connection, all at once, with padded frames.

use hopspan_e2e::Parent;
use hopspan_lab::skip_without;

use super::{
    NGHTTP, NGINX,
    expected_exchange::ExpectedExchange,
    fixture::{ProgramFixture, endpoint},
    nghttp,
    nginx::{self, Http},
};

const PATHS: [&str; 5] = ["/one", "/missing", "/two", "/three", "/four"];

#[test]
fn padding_hides_nothing() {
    if skip_without("padding_hides_nothing", &[NGHTTP, NGINX]) {
        return;
    }
    let mut fixture = ProgramFixture::start("nghttp");
    let (client, server) = (fixture.pod("client"), fixture.pod("server"));
    nginx::serve(&mut fixture, &server, Http::Two);
    let service = fixture.service("web", std::slice::from_ref(&server));
    let parent = Parent::new();
    let statuses = nghttp::get(&client, service.address(), &PATHS, "--padding=100", &parent);
    let traces = fixture.finish();

    assert_eq!(statuses["/missing"], "404");
    let trace = parent.trace(&traces);
    let exchanges = parent.exchanges(&traces);
    let mut paths: Vec<&str> = exchanges
        .iter()
        .map(|exchange| exchange.attribute("url.path"))
        .collect();
    paths.sort_unstable();
    assert!(paths.iter().eq(statuses.keys()), "{paths:?}");
    // All of them waited for the handshake: which of them began it is not known.
    assert_eq!(trace.of_role("connect").count(), 0);
    for exchange in exchanges {
        let path = exchange.attribute("url.path");
        ExpectedExchange {
            version: "2",
            path,
            status: &statuses[path],
            source: client.ip(),
            service: &service,
            endpoint: endpoint(server.ip()),
            connected: !exchange.paths("connect").is_empty(),
        }
        .assert(trace, &exchange);
    }
}
