//! Requests over IPv6 from a pod of the first node, through a service, to a pod of the second. In: a scene. Out: what the
//! sockets say, held against what the agents say.

use std::{net::SocketAddr, time::Duration};

use hopspan_e2e::{Answer, NodesOutcome, NodesScene, Span, binary};
use hopspan_lab::kube_proxy::Service;

use crate::{halves::assert_ends, hops::Expected};

const PORT: u16 = 8080;
const REQUESTS: &str = "4";
const DEADLINE: Duration = Duration::from_secs(30);

/// Sends them, on two connections.
pub(crate) fn requests_over_ipv6(scene: &mut NodesScene, others: &[Service]) -> Vec<Answer> {
    let [client, server] = [&scene.nodes[0], &scene.nodes[1]];
    let client = client.pod("echo", "echo-client").unwrap();
    let server = server.pod("echo", "echo-server").unwrap();
    let mut serving = server
        .command(binary("echo").unwrap())
        .args(["server", "--listen", &format!("[::]:{PORT}")])
        .spawn()
        .unwrap();
    serving.wait_listening(PORT, DEADLINE).unwrap();
    let mut service = Service::new("echo", "echo", "[fd00:10:96::77]:80".parse().unwrap());
    service
        .endpoints
        .push(SocketAddr::new(server.ip6().into(), PORT));
    let services = [others, std::slice::from_ref(&service)].concat();
    scene.lab().apply_services(&services).unwrap();
    let endpoints: usize = services.iter().map(|service| service.endpoints.len()).sum();
    scene
        .wait_logged(&format!("rules name {endpoints} ways"))
        .unwrap();
    let record = scene.lab().work_dir().join("echo-record");
    client
        .command(binary("echo").unwrap())
        .args(["load", "--protocol", "h1", "--connections", "2"])
        .args(["--requests", REQUESTS, "--first", "1"])
        .args(["--url", &format!("http://{}", service.address())])
        .arg("--record")
        .arg(&record)
        .run(DEADLINE)
        .unwrap();
    serving.terminate(DEADLINE).unwrap();
    Answer::read(&record).unwrap()
}

/// Checks the halves of each, and the addresses that each half saw.
pub(crate) fn assert_halves(outcome: &NodesOutcome, answers: &[Answer], expected: &Expected) {
    assert_eq!(answers.len().to_string(), REQUESTS);
    for answer in answers {
        let trace = &outcome.sent.0[&answer.trace_id()];
        let exchanges: Vec<&Span> = trace.of_role("exchange").collect();
        let [first, ..] = exchanges[..] else {
            panic!("no exchange of {answer:?}");
        };
        // Nobody tells of the call itself: a span that holds everything stands for it.
        let call = Span {
            span_id: first.parent_id.clone(),
            start_ns: 0,
            end_ns: u64::MAX,
            ..first.clone()
        };
        assert_ends(trace, &call, &exchanges, ["node-1", "node-2"], expected);
        for exchange in exchanges {
            let source = match exchange.attribute("hopspan.half") {
                "client" if expected.kernel.has_netfilter_links() => answer.client,
                "client" => continue,
                _ => answer.seen,
            };
            assert_eq!(
                exchange.attribute("source.address"),
                source.ip().to_string()
            );
            assert_eq!(exchange.attribute("source.port"), source.port().to_string());
            let server = answer.server;
            assert_eq!(
                exchange.attribute("destination.address"),
                server.ip().to_string()
            );
            assert_eq!(
                exchange.attribute("destination.port"),
                server.port().to_string()
            );
        }
    }
}
