//! The expected attributes of a case. In: the addresses of the sockets. Out: a failed test where
//! the spans differ.

use std::collections::HashSet;

use hopspan_e2e::{Answer, Exchange, Kernel, Trace, Traces, assert_legs, hop_names};
use hopspan_lab::{
    NodeOptions, Wiring,
    kube_proxy::{ProxyMode, ServiceConnection},
};

use super::case::{Case, Client};
use super::hops::hops_of;

/// Checks the only exchange of each request, and that the first on each connection has the connect.
pub(crate) fn translations(traces: &Traces, case: &Case, answers: &[Answer], options: NodeOptions) {
    let mut connections = HashSet::new();
    for answer in answers {
        let is_new = connections.insert(answer.client);
        translation(traces, case, answer, options, is_new);
    }
    assert_eq!(connections.len(), 2, "connections of {}", case.name);
}

/// Checks the only exchange of each request on connections that were open before the agent.
pub(crate) fn translations_of_open(
    traces: &Traces,
    case: &Case,
    answers: &[Answer],
    options: NodeOptions,
) {
    for answer in answers {
        translation(traces, case, answer, options, false);
    }
}

fn translation(traces: &Traces, case: &Case, answer: &Answer, options: NodeOptions, is_new: bool) {
    let what = format!("{} {answer:?}", case.name);
    let trace = traces.0.get(&answer.trace_id());
    let trace = trace.unwrap_or_else(|| panic!("no trace of {what}"));
    let exchanges = trace.exchanges();
    let [exchange] = &exchanges[..] else {
        panic!("{} exchanges of {what}", exchanges.len());
    };
    assert_masquerade(case, answer);
    for (key, expected) in attributes(case, answer, options.proxy_mode) {
        assert_eq!(
            exchange.attribute(key),
            expected,
            "{key} of {what}: {exchange:#?}"
        );
    }
    assert_legs(trace, exchange, is_new);
    if Kernel::running().has_netfilter_links() {
        assert_hops(trace, exchange, case, options.wiring);
    }
}

/// Checks that the lab itself masquerades as the case expects.
fn assert_masquerade(case: &Case, answer: &Answer) {
    let (client, seen) = (answer.client, answer.seen);
    // A node masquerades its own connections with its own address, and sometimes with the port that
    // they have.
    let is_hidden = case.masqueraded && client.ip() == seen.ip();
    if !is_hidden {
        assert_eq!(client != seen, case.masqueraded, "{case:?} {answer:?}");
    }
}

/// The expected attributes of the exchange. An empty value stands for none.
fn attributes(case: &Case, answer: &Answer, mode: ProxyMode) -> Vec<(&'static str, String)> {
    let Answer {
        client,
        server,
        seen,
        ..
    } = answer;
    let mut expected = vec![
        ("hopspan.incomplete", String::new()),
        (
            "hopspan.half",
            match case.client {
                Client::Outside => "server".to_owned(),
                Client::Pod | Client::Server | Client::Node => String::new(),
            },
        ),
        ("url.path", format!("/id/{}", answer.number)),
        ("source.address", client.ip().to_string()),
        ("source.port", client.port().to_string()),
        ("destination.address", server.ip().to_string()),
        ("destination.port", server.port().to_string()),
        (
            "hopspan.nat.masquerade",
            if client == seen {
                String::new()
            } else {
                seen.to_string()
            },
        ),
    ];
    let (original, translated) = match &case.service {
        Some(_) => (case.address.to_string(), server.to_string()),
        None => Default::default(),
    };
    expected.push(("hopspan.nat.original", original));
    expected.push(("hopspan.nat.translated", translated));
    let Some((service, entry)) = &case.service else {
        expected.push(("hopspan.kube_proxy.service", String::new()));
        expected.push(("hopspan.kube_proxy.rule", String::new()));
        return expected;
    };
    let way = ServiceConnection {
        service,
        entry: *entry,
        origin: case.client.origin(),
        endpoint: *server,
    };
    let chains = way.chains(mode).join(" > ");
    expected.push(("hopspan.kube_proxy.service", service.service_port_name()));
    expected.push(("hopspan.kube_proxy.rule", chains));
    expected
}

/// Checks the hops of connect and request, and that the hop in which a translation was made has its
/// attributes.
fn assert_hops(trace: &Trace, exchange: &Exchange<'_>, case: &Case, wiring: Wiring) {
    let roles = ["connect", "request"];
    let legs = roles.map(|role| exchange.paths(role));
    for leg in legs.into_iter().flatten() {
        let hops = trace.children(leg);
        let names: Vec<&str> = hops
            .iter()
            .map(|hop| hop.attribute("hopspan.hop"))
            .collect();
        if leg.role() == "request" {
            assert_eq!(hop_names(trace, leg), hops_of(case, wiring), "{case:?}");
        }
        let first = |name| names.iter().position(|found| *found == name);
        let translates = first("netfilter.output").or_else(|| first("netfilter.prerouting"));
        let places = [
            ("hopspan.nat.original", translates),
            ("hopspan.nat.translated", translates),
            ("hopspan.kube_proxy.rule", translates),
            ("hopspan.nat.masquerade", first("netfilter.postrouting")),
        ];
        for (key, place) in places {
            let values = hops.iter().map(|hop| hop.attribute(key));
            let expected = (0..hops.len()).map(|index| match place {
                Some(place) if place == index => exchange.attribute(key),
                _ => "",
            });
            assert!(values.eq(expected), "{key} of {case:?}: {hops:#?}");
        }
    }
}
