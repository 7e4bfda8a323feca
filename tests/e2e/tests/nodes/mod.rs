//! Nodes with an agent each: the halves of exchanges between pods of different nodes as the agents
//! sent them, not merged. They are compared with what the application and the sockets report.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod echo;
mod forwarded;
mod halves;
mod hops;
mod namespaces;

use std::collections::BTreeMap;

use hopspan_e2e::{CallEnds, Fixture, Kernel, NodeAgent, Outcome};
use hopspan_lab::{NodeOptions, Overlay, Wiring, skip};

use halves::assert_halves;
use hops::Expected;
use namespaces::Namespaces;

const DISPATCHES: u32 = 2;

/// Runs dispatches of the application over two nodes, and requests over IPv6, and checks the
/// halves.
fn check(test: &str, options: NodeOptions, agents: [NodeAgent; 2]) {
    if skip(test) {
        return;
    }
    let mut fixture = Fixture::start_recording(test, options, &agents).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    let dispatched = hotrod.dispatch(DISPATCHES, 1).unwrap();
    let ends = CallEnds::new(&fixture.nodes, &hotrod);
    let echoed = echo::requests_over_ipv6(&mut fixture, hotrod.services());
    hotrod.stop().unwrap();
    let namespaces = Namespaces::of(&fixture);
    let outcome = fixture.finish().unwrap();
    for (name, report) in &outcome.reports {
        report.assert_all_attached(&Kernel::running());
        report.assert_nothing_lost();
        assert!(report.hits()["uplink_receive"] > 0, "{name}");
        let left = report.number(&["kernel", "journeys", "left"]);
        assert!(left > 0, "no journey has left {name}");
    }
    namespaces.assert_stamps(&outcome);
    let expected = Expected {
        options,
        agents: agents.map(|agent| agent != NodeAgent::Missing),
        kernel: Kernel::running(),
    };
    let between: usize = dispatched
        .iter()
        .map(|dispatch| assert_halves(&outcome, &dispatch.trace_id, &ends, &expected))
        .sum();
    // Of each dispatch all but the two calls to and in the frontend's node.
    assert!(
        between >= 10 * DISPATCHES as usize,
        "{between} calls between nodes"
    );
    echo::assert_halves(&outcome, &echoed, &expected);
    assert_one_of_each(&outcome, &expected);
}

/// Checks that no agent sent a span of a half twice, and that every agent sent spans.
fn assert_one_of_each(outcome: &Outcome, expected: &Expected) {
    let mut sent: BTreeMap<(&str, &str, &str, &str), u32> = BTreeMap::new();
    for span in outcome.traces.0.values().flat_map(|trace| &trace.spans) {
        if span.scope == "hopspan" {
            let node = span.resource["k8s.node.name"].as_str();
            let half = span.attribute("hopspan.half");
            *sent
                .entry((&span.trace_id, &span.span_id, node, half))
                .or_default() += 1;
        }
    }
    let twice: Vec<_> = sent.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let nodes: std::collections::BTreeSet<&str> = sent.keys().map(|(.., node, _)| *node).collect();
    let agents = expected.agents.iter().filter(|agent| **agent).count();
    assert_eq!(nodes.len(), agents, "{nodes:?}");
}

const BOTH: [NodeAgent; 2] = [NodeAgent::Right; 2];

#[test]
fn over_the_wire() {
    check("over_the_wire", NodeOptions::default(), BOTH);
}

#[test]
fn over_the_wire_masqueraded() {
    let options = NodeOptions {
        wiring: Wiring::Routed,
        masquerade_all: true,
        ..NodeOptions::default()
    };
    check("over_the_wire_masqueraded", options, BOTH);
}

#[test]
fn over_vxlan() {
    let options = NodeOptions {
        overlay: Overlay::Vxlan,
        ..NodeOptions::default()
    };
    check("over_vxlan", options, BOTH);
}

#[test]
fn over_vxlan_masqueraded() {
    let options = NodeOptions {
        wiring: Wiring::Routed,
        overlay: Overlay::Vxlan,
        masquerade_all: true,
        ..NodeOptions::default()
    };
    check("over_vxlan_masqueraded", options, BOTH);
}

#[test]
fn without_the_servers_agent() {
    let agents = [NodeAgent::Right, NodeAgent::Missing];
    check("without_the_servers_agent", NodeOptions::default(), agents);
}

#[test]
fn without_the_clients_agent() {
    let agents = [NodeAgent::Missing, NodeAgent::Right];
    check("without_the_clients_agent", NodeOptions::default(), agents);
}
