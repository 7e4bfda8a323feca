//! curl sends requests to nginx.

use hopspan_lab::skip_without;

use super::{
    CURL, NGINX,
    curl::{self, CurlAnswer},
    expected_exchange::ExpectedExchange,
    fixture::{ProgramFixture, endpoint},
    nginx::{self, Http},
};

const PATHS: [&str; 6] = [
    "/one",
    "/two",
    "/missing",
    "/three?colour=red",
    "/",
    "/four",
];

/// How curl is run.
struct Case {
    label: &'static str,
    http: Http,
    version: &'static str,
    options: &'static [&'static str],
    /// Whether all requests go over one connection.
    keeps_connection: bool,
}

impl Case {
    /// Compares what curl reports of its requests with the spans.
    fn check(&self) {
        let mut fixture = ProgramFixture::start(self.label);
        let (client, server) = (fixture.pod("client"), fixture.pod("server"));
        nginx::serve(&mut fixture, &server, self.http);
        let service = fixture.service("web", std::slice::from_ref(&server));
        let invocations: Vec<&[&str]> = if self.keeps_connection {
            vec![&PATHS]
        } else {
            PATHS.chunks(1).collect()
        };
        let answers: Vec<CurlAnswer> = invocations
            .into_iter()
            .flat_map(|paths| curl::get(&client, service.address(), paths, self.options))
            .collect();
        let traces = fixture.finish();

        let statuses: Vec<&str> = answers.iter().map(|answer| &*answer.status).collect();
        assert_eq!(statuses, ["200", "200", "404", "200", "200", "200"]);
        for (index, answer) in answers.iter().enumerate() {
            assert_eq!(answer.version, self.version, "{answer:?}");
            assert_eq!(
                answer.connected,
                index == 0 || !self.keeps_connection,
                "{answer:?}"
            );
            let exchanges = answer.parent.exchanges(&traces);
            let [exchange] = &exchanges[..] else {
                panic!("{} exchanges for {answer:?}", exchanges.len());
            };
            ExpectedExchange {
                version: self.version,
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
        assert_eq!(
            traces.0.len(),
            PATHS.len(),
            "traces without a request of the test"
        );
    }
}

#[test]
fn curl_keeps_a_connection_alive() {
    if skip_without("curl_keeps_a_connection_alive", &[CURL, NGINX]) {
        return;
    }
    let case = Case {
        label: "curl",
        http: Http::One,
        version: "1.1",
        options: &["http1.1"],
        keeps_connection: true,
    };
    case.check();
}

#[test]
fn curl_speaks_http2_with_prior_knowledge() {
    if skip_without("curl_speaks_http2_with_prior_knowledge", &[CURL, NGINX]) {
        return;
    }
    let case = Case {
        label: "curl-h2",
        http: Http::Two,
        version: "2",
        options: &["http2-prior-knowledge"],
        // curl 7.88, Debian 12's, fails when it uses such a connection again.
        keeps_connection: false,
    };
    case.check();
}
