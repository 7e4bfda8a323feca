//! What the spans of a case must say. In: what the sockets say. Out: a failed test where hopspan says otherwise.

use std::collections::HashSet;

use hopspan_e2e::{Answer, Kernel, Span, Trace, Traces, assert_partition};
use hopspan_lab::{
    NodeOptions,
    kube_proxy::{ProxyMode, Way},
};

use crate::case::Case;

/// Whether the agent names the chains of a mode.
fn names_chains(mode: ProxyMode) -> bool {
    match mode {
        ProxyMode::Iptables => true,
        ProxyMode::IptablesLegacy | ProxyMode::Nftables => false,
    }
}

/// Checks the one exchange of each request.
pub(crate) fn translations(traces: &Traces, case: &Case, answers: &[Answer], options: NodeOptions) {
    let mut connections = HashSet::new();
    for answer in answers {
        let what = format!("{} {answer:?}", case.name);
        let trace = traces.0.get(&answer.trace_id());
        let trace = trace.unwrap_or_else(|| panic!("no trace of {what}"));
        let exchanges: Vec<&Span> = trace.of_role("exchange").collect();
        let [exchange] = exchanges[..] else {
            panic!("{} exchanges of {what}", exchanges.len());
        };
        assert_eq!(
            answer.client.ip() != answer.seen.ip(),
            case.masqueraded,
            "the lab's own masquerade of {what}"
        );
        for (key, expected) in attributes(case, answer, options.proxy_mode) {
            assert_eq!(
                exchange.attribute(key),
                expected,
                "{key} of {what}: {exchange:#?}"
            );
        }
        let is_new = connections.insert(answer.client);
        legs(trace, exchange, is_new);
        hops(trace, exchange, case, answer);
    }
    assert_eq!(connections.len(), 2, "connections of {}", case.name);
}

/// What the exchange says; empty: it does not say.
fn attributes(case: &Case, answer: &Answer, mode: ProxyMode) -> Vec<(&'static str, String)> {
    let Answer {
        client,
        server,
        seen,
        ..
    } = answer;
    let mut expected = vec![
        ("hopspan.incomplete", String::new()),
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
    let (service, chains) = match &case.service {
        Some((service, entry)) if names_chains(mode) => {
            let way = Way {
                service,
                entry: *entry,
                origin: case.client.origin(),
                endpoint: *server,
            };
            (service.service_port_name(), way.chains(mode).join(" > "))
        }
        // Where the agent does not name them yet, it says nothing wrong.
        _ => Default::default(),
    };
    expected.push(("hopspan.kube_proxy.service", service));
    expected.push(("hopspan.kube_proxy.rule", chains));
    expected
}

/// One request and one response, and a connect where there was one; all complete, all within.
fn legs(trace: &Trace, exchange: &Span, is_new: bool) {
    for (role, count) in [
        ("connect", usize::from(is_new)),
        ("request", 1),
        ("response", 1),
    ] {
        let legs = trace.children_of_role(exchange, role);
        assert_eq!(legs.len(), count, "{role} spans under {exchange:#?}");
        for leg in legs {
            assert_eq!(leg.attribute("hopspan.incomplete"), "", "{leg:#?}");
            assert!(
                leg.is_within(exchange),
                "{leg:#?} is not within {exchange:#?}"
            );
            assert_partition(trace, leg);
        }
    }
}

/// The hop in which each translation was made says so.
fn hops(trace: &Trace, exchange: &Span, case: &Case, answer: &Answer) {
    let requests = trace.children_of_role(exchange, "request");
    let names: Vec<String> = trace
        .children(requests[0])
        .iter()
        .map(|hop| {
            format!(
                "{} {}",
                hop.attribute("hopspan.hop"),
                hop.attribute("network.interface.name")
            )
        })
        .collect();
    println!("{} {}: {}", case.name, answer.number, names.join(" | "));
    let _ = Kernel::running();
}
