//! curl asks nginx, over one connection.

use crate::{
    available::skip,
    curl,
    nginx::{self, Http},
    stage::{Stage, endpoint},
    wanted::Wanted,
};

const PATHS: [&str; 6] = [
    "/one",
    "/two",
    "/missing",
    "/three?colour=red",
    "/",
    "/four",
];

/// curl's own account of its requests is what hopspan must say.
fn check(label: &str, http: Http, version: &str, options: &[&str]) {
    let mut stage = Stage::new(label);
    let (client, server) = (stage.pod("client"), stage.pod("server"));
    nginx::serve(&mut stage, &server, http);
    let service = stage.service("web", std::slice::from_ref(&server));
    let answers = curl::get(&client, service.address(), &PATHS, options);
    let traces = stage.finish();

    let statuses: Vec<&str> = answers.iter().map(|answer| &*answer.status).collect();
    assert_eq!(statuses, ["200", "200", "404", "200", "200", "200"]);
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer.version, version, "{answer:?}");
        assert_eq!(answer.connected, index == 0, "{answer:?}");
        let exchanges = answer.parent.exchanges(&traces);
        let [exchange] = exchanges[..] else {
            panic!("{} exchanges for {answer:?}", exchanges.len());
        };
        Wanted {
            version,
            path: answer.path.split('?').next().unwrap(),
            status: &answer.status,
            source: client.ip(),
            service: &service,
            endpoint: endpoint(server.ip()),
            connected: answer.connected,
        }
        .assert(answer.parent.trace(&traces), exchange);
        assert_eq!(exchange.attribute("source.port"), answer.port);
    }
    assert_eq!(traces.0.len(), PATHS.len(), "traces of nobody's requests");
}

#[test]
fn curl_keeps_a_connection_alive() {
    if skip("curl_keeps_a_connection_alive", &["curl", "nginx"]) {
        return;
    }
    check("curl", Http::One, "1.1", &["http1.1"]);
}

#[test]
fn curl_speaks_http2_with_prior_knowledge() {
    if skip("curl_speaks_http2_with_prior_knowledge", &["curl", "nginx"]) {
        return;
    }
    check("curl-h2", Http::Two, "2", &["http2-prior-knowledge"]);
}
