//! Requests over IPv6 from a pod of the first node, through a service, to a pod of the second. In:
//! a fixture. Out: what the sockets had, compared with what the agents sent.

use std::net::{Ipv6Addr, SocketAddr};

use hopspan_e2e::{Answer, EchoLoad, Fixture, Outcome, Span, echo_server};
use hopspan_lab::kube_proxy::Service;

use super::{halves::assert_ends, hops::Expected};

const PORT: u16 = 8080;
const REQUESTS: u64 = 4;

/// Sends the requests on two connections. `others` are the services that exist already.
pub(crate) fn requests_over_ipv6(fixture: &mut Fixture, others: &[Service]) -> Vec<Answer> {
    let [client, server] = [&fixture.nodes[0], &fixture.nodes[1]];
    let client = client.pod("echo", "echo-client").unwrap();
    let server = server.pod("echo", "echo-server").unwrap();
    let _serving = echo_server(&server, (Ipv6Addr::UNSPECIFIED, PORT)).unwrap();
    let service = Service {
        endpoints: vec![SocketAddr::new(server.ip6().into(), PORT)],
        ..Service::new("echo", "echo", "[fd00:10:96::77]:80".parse().unwrap())
    };
    let services = [others, std::slice::from_ref(&service)].concat();
    fixture.apply_services(&services).unwrap();
    let load = EchoLoad {
        address: service.address(),
        connections: 2,
        requests: REQUESTS,
        first: 1,
    };
    load.run(&client, fixture.work_dir()).unwrap()
}

/// Checks the halves of each exchange, and the addresses that each half saw.
pub(crate) fn assert_halves(outcome: &Outcome, answers: &[Answer], expected: &Expected) {
    for answer in answers {
        let trace = &outcome.traces.0[&answer.trace_id()];
        let exchanges = trace.exchanges();
        let first = exchanges.first();
        let first = first.unwrap_or_else(|| panic!("no exchange of {answer:?}"));
        // `echo` exports no span of the call itself. This span stands for it, and contains
        // everything.
        let call = Span {
            span_id: first.parent_id.clone(),
            start_ns: 0,
            end_ns: u64::MAX,
            ..Span::clone(first)
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
