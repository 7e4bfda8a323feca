//! Dispatches of the application over two nodes, with the halves from both agents merged as the
//! viewer merges them. By the application's spans, every call has one complete exchange within it,
//! on one clock.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod clocks;
mod dispatched;
mod part;
mod whole;

use std::time::Duration;

use hopspan_e2e::NodeAgent;
use hopspan_lab::{ClockShift, NodeOptions, Overlay, Wiring, kube_proxy::ProxyMode};

use dispatched::Dispatched;

const BOTH: [NodeAgent; 2] = [NodeAgent::Right; 2];
/// How far a clock is off.
const OFF: Duration = Duration::from_millis(50);

fn options(wiring: Wiring, overlay: Overlay) -> NodeOptions {
    NodeOptions {
        wiring,
        overlay,
        ..NodeOptions::default()
    }
}

fn check_whole(test: &str, options: NodeOptions) {
    let Some(dispatched) = Dispatched::run(test, options, BOTH) else {
        return;
    };
    whole::assert_whole(&dispatched, true);
    // The clocks differ by no more than the error of the agents' readings.
    clocks::assert_skews(&dispatched, 0..=0);
}

#[test]
fn bridges_on_a_wire() {
    check_whole("bridges_on_a_wire", options(Wiring::Bridge, Overlay::None));
}

#[test]
fn bridges_over_vxlan() {
    check_whole(
        "bridges_over_vxlan",
        options(Wiring::Bridge, Overlay::Vxlan),
    );
}

#[test]
fn routed_pods_on_a_wire() {
    check_whole(
        "routed_pods_on_a_wire",
        options(Wiring::Routed, Overlay::None),
    );
}

#[test]
fn routed_pods_over_vxlan() {
    check_whole(
        "routed_pods_over_vxlan",
        options(Wiring::Routed, Overlay::Vxlan),
    );
}

#[test]
fn masqueraded_by_iptables() {
    let options = NodeOptions {
        masquerade_all: true,
        ..options(Wiring::Bridge, Overlay::Vxlan)
    };
    check_whole("masqueraded_by_iptables", options);
}

#[test]
fn masqueraded_by_nftables() {
    let options = NodeOptions {
        masquerade_all: true,
        proxy_mode: ProxyMode::Nftables,
        ..options(Wiring::Routed, Overlay::None)
    };
    check_whole("masqueraded_by_nftables", options);
}

#[test]
fn a_hundred_dispatches_eight_at_a_time() {
    let test = "a_hundred_dispatches_eight_at_a_time";
    let agents = [NodeAgent::Right, NodeAgent::Off(ClockShift::Behind(OFF))];
    let overlay = options(Wiring::Bridge, Overlay::Vxlan);
    if let Some(dispatched) = Dispatched::run_at_once(test, overlay, agents, [100, 8]) {
        whole::assert_whole(&dispatched, true);
        clocks::assert_skews(&dispatched, -55_000_000..=-45_000_000);
    }
}

fn check_off(test: &str, agents: [NodeAgent; 2], ahead_ms: i64) {
    let Some(dispatched) = Dispatched::run(test, NodeOptions::default(), agents) else {
        return;
    };
    // On a real node agent and applications have one clock. In the lab only the agent's is off: the
    // spans of the client's agent are then not within the client's own.
    whole::assert_whole(&dispatched, agents[0] == NodeAgent::Right);
    let around = Duration::from_millis(5).as_nanos() as i64;
    let ahead_ns = ahead_ms * 1_000_000;
    clocks::assert_skews(&dispatched, ahead_ns - around..=ahead_ns + around);
    clocks::assert_page(&dispatched, ahead_ms);
}

#[test]
fn the_servers_clock_is_ahead() {
    let agents = [NodeAgent::Right, NodeAgent::Off(ClockShift::Ahead(OFF))];
    check_off("the_servers_clock_is_ahead", agents, 50);
}

#[test]
fn the_servers_clock_is_behind() {
    let agents = [NodeAgent::Right, NodeAgent::Off(ClockShift::Behind(OFF))];
    check_off("the_servers_clock_is_behind", agents, -50);
}

#[test]
fn the_clients_clock_is_ahead() {
    let agents = [NodeAgent::Off(ClockShift::Ahead(OFF)), NodeAgent::Right];
    check_off("the_clients_clock_is_ahead", agents, -50);
}

#[test]
fn the_servers_agent_is_missing() {
    let test = "the_servers_agent_is_missing";
    let agents = [NodeAgent::Right, NodeAgent::Missing];
    let overlay = options(Wiring::Routed, Overlay::Vxlan);
    if let Some(dispatched) = Dispatched::run(test, overlay, agents) {
        part::assert_part(&dispatched, "client");
    }
}

#[test]
fn the_clients_agent_is_missing() {
    let test = "the_clients_agent_is_missing";
    let agents = [NodeAgent::Missing, NodeAgent::Right];
    if let Some(dispatched) = Dispatched::run(test, NodeOptions::default(), agents) {
        part::assert_part(&dispatched, "server");
    }
}

#[test]
fn the_clients_agent_is_missing_and_the_servers_clock_ahead() {
    let test = "the_clients_agent_is_missing_and_the_servers_clock_ahead";
    let agents = [NodeAgent::Missing, NodeAgent::Off(ClockShift::Ahead(OFF))];
    if let Some(dispatched) = Dispatched::run(test, NodeOptions::default(), agents) {
        part::assert_part(&dispatched, "server");
    }
}
