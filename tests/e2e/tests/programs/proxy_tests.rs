//! curl sends requests to a proxy, which forwards them to one of two servers: two exchanges for
//! each request. A proxy that does not trace forwards the caller's context, so both have the same
//! parent.

use std::{collections::BTreeSet, net::Ipv4Addr};

use hopspan_lab::{Pod, kube_proxy::Service, skip_without};

use super::{
    CURL, HAPROXY, NGINX,
    curl::{self, CurlAnswer},
    expected_exchange::ExpectedExchange,
    fixture::{ProgramFixture, endpoint},
    haproxy,
    nginx::{self, Http, UPSTREAM_REQUESTS},
};

/// Enough for both servers to have their share, with a new upstream connection for every few
/// requests.
const REQUESTS: usize = 15 * UPSTREAM_REQUESTS;

/// One kind of proxy.
struct Case {
    label: &'static str,
    /// The protocol between the proxy and the servers.
    upstream: Http,
    /// The same as `network.protocol.version`.
    upstream_version: &'static str,
    /// Starts the proxy.
    start: fn(&mut ProgramFixture, &Pod, &Service),
    /// Requests that the proxy sends on one connection to a server.
    requests_per_connection: usize,
}

impl Case {
    fn check(&self) {
        let mut fixture = ProgramFixture::start(self.label);
        let (client, proxy) = (fixture.pod("client"), fixture.pod("proxy"));
        let servers = ["server-0", "server-1"].map(|name| fixture.pod(name));
        for server in &servers {
            nginx::serve(&mut fixture, server, self.upstream);
        }
        let back = fixture.service("back", &servers);
        (self.start)(&mut fixture, &proxy, &back);
        let front = fixture.service("front", std::slice::from_ref(&proxy));
        let mut paths = vec!["/item"; REQUESTS];
        paths[2] = "/missing";
        let answers = curl::get(&client, front.address(), &paths, &["http1.1"]);
        let traces = fixture.finish();

        for (index, answer) in answers.iter().enumerate() {
            let exchanges = answer.parent.exchanges(&traces);
            let [to_proxy, to_server] = &exchanges[..] else {
                panic!(
                    "{} exchanges for {answer:?}: {exchanges:#?}",
                    exchanges.len()
                );
            };
            let trace = answer.parent.trace(&traces);
            to_server.assert_within(to_proxy);
            let common = ExpectedExchange {
                version: "1.1",
                path: &answer.path,
                status: if index == 2 { "404" } else { "200" },
                source: client.ip(),
                service: &front,
                endpoint: endpoint(proxy.ip()),
                connected: index == 0,
            };
            common.assert(trace, to_proxy);
            ExpectedExchange {
                version: self.upstream_version,
                source: proxy.ip(),
                service: &back,
                endpoint: endpoint(served_by(answer)),
                connected: index.is_multiple_of(self.requests_per_connection),
                ..common
            }
            .assert(trace, to_server);
        }
        assert_eq!(
            traces.0.len(),
            REQUESTS,
            "traces without a request of the test"
        );
        if self.requests_per_connection < REQUESTS {
            let used: BTreeSet<Ipv4Addr> = answers.iter().map(served_by).collect();
            assert_eq!(used.len(), servers.len(), "only {used:?} served");
        }
    }
}

fn served_by(answer: &CurlAnswer) -> Ipv4Addr {
    answer.served_by.parse().unwrap()
}

#[test]
fn nginx_is_a_proxy_that_keeps_connections() {
    if skip_without("nginx_is_a_proxy_that_keeps_connections", &[CURL, NGINX]) {
        return;
    }
    let case = Case {
        label: "nginx-proxy",
        upstream: Http::One,
        upstream_version: "1.1",
        start: nginx::proxy,
        requests_per_connection: UPSTREAM_REQUESTS,
    };
    case.check();
}

#[test]
fn haproxy_speaks_http1_to_both_sides() {
    let programs = [CURL, NGINX, HAPROXY];
    if skip_without("haproxy_speaks_http1_to_both_sides", &programs) {
        return;
    }
    let case = Case {
        label: "haproxy",
        upstream: Http::One,
        upstream_version: "1.1",
        start: |fixture, pod, to| haproxy::proxy(fixture, pod, to, Http::One),
        requests_per_connection: REQUESTS,
    };
    case.check();
}

#[test]
fn haproxy_makes_http2_of_http1() {
    let programs = [CURL, NGINX, HAPROXY];
    if skip_without("haproxy_makes_http2_of_http1", &programs) {
        return;
    }
    let case = Case {
        label: "haproxy-h2",
        upstream: Http::Two,
        upstream_version: "2",
        start: |fixture, pod, to| haproxy::proxy(fixture, pod, to, Http::Two),
        requests_per_connection: REQUESTS,
    };
    case.check();
}
