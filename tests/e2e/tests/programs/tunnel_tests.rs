//! curl opens a tunnel through a proxy to a server, and sends a request in it: there is one
//! exchange with the proxy and one with the server, and none for the bytes in the tunnel between
//! curl and the proxy.

use std::time::Duration;

use hopspan_e2e::Parent;
use hopspan_lab::skip_without;

use super::{
    APACHE, CURL, NGINX, apache,
    expected_exchange::ExpectedExchange,
    fixture::{ProgramFixture, endpoint},
    nginx::{self, Http},
};

const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_tunnel_through_a_proxy() {
    if skip_without("a_tunnel_through_a_proxy", &[CURL, NGINX, APACHE]) {
        return;
    }
    let mut fixture = ProgramFixture::start("tunnel");
    let (client, proxy, server) = (
        fixture.pod("client"),
        fixture.pod("proxy"),
        fixture.pod("server"),
    );
    nginx::serve(&mut fixture, &server, Http::One);
    apache::tunnel(&mut fixture, &proxy);
    let back = fixture.service("back", std::slice::from_ref(&server));
    let front = fixture.service("front", std::slice::from_ref(&proxy));
    let (to_proxy, to_server) = (Parent::new(), Parent::new());
    let traceparent = |parent: &Parent| format!("traceparent: {}", parent.traceparent());
    let output = client
        .command("curl")
        .args(["--silent", "--show-error", "--proxytunnel", "--http1.1"])
        .arg("--proxy")
        .arg(format!("http://{}", front.address()))
        .arg("--proxy-header")
        .arg(traceparent(&to_proxy))
        .arg("--header")
        .arg(traceparent(&to_server))
        .args([
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_connect} %{http_code}",
        ])
        .arg(format!("http://{}/inside", back.address()))
        .run(DEADLINE)
        .unwrap();
    assert_eq!(output, "200 200");
    let traces = fixture.finish();

    let tunnel = &to_proxy.exchange(&traces);
    let common = ExpectedExchange {
        version: "1.1",
        path: "",
        status: "200",
        source: client.ip(),
        service: &front,
        endpoint: endpoint(proxy.ip()),
        connected: true,
    };
    common.assert_method("CONNECT", to_proxy.trace(&traces), tunnel);
    // On its way from the proxy to the server the request is outside of the tunnel.
    ExpectedExchange {
        path: "/inside",
        source: proxy.ip(),
        service: &back,
        endpoint: endpoint(server.ip()),
        ..common
    }
    .assert(to_server.trace(&traces), &to_server.exchange(&traces));
    assert_eq!(traces.0.len(), 2, "{:?}", traces.0.keys());
}
