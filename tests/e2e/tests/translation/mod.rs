//! Translation of every kind of service, in both address families: for each exchange the original
//! and the translated address, the masquerade or its absence, the service, and the chains that led
//! to the pod. They are compared with the addresses of the sockets at both ends, for each wiring of
//! pods and each proxy mode.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod case;
mod expect;
mod fixture;
mod hops;
mod open_before;
mod services;

use std::collections::BTreeSet;

use hopspan_e2e::Kernel;
use hopspan_lab::{Wiring, kube_proxy::ProxyMode, skip_mode};

use case::{Client, cases};
use fixture::TranslationFixture;

fn check(test: &str, wiring: Wiring, proxy_mode: ProxyMode) {
    if skip_mode(test, proxy_mode) {
        return;
    }
    let mut fixture = TranslationFixture::without_agent(test, wiring, proxy_mode);
    let options = fixture.options();
    let mut cases = cases(&fixture);
    if proxy_mode == ProxyMode::Nftables {
        // Only iptables mode has node ports on 127.0.0.1.
        cases.retain(|case| !case.address.ip().is_loopback());
    }
    if !Kernel::running().has_netfilter_links() {
        // The node's own packets are translated before their journeys open, and only netfilter
        // links record that.
        cases.retain(|case| case.client != Client::Node || case.service.is_none());
    }
    fixture.start_agent();
    let answered: Vec<_> = cases.iter().map(|case| fixture.run(case)).collect();
    fixture.send_udp();
    fixture.connect_without_endpoints();
    let traces = fixture.finish();
    let exchanges: usize = answered.iter().map(Vec::len).sum();
    for (case, answers) in cases.iter().zip(&answered) {
        if case.name == "session affinity" {
            let endpoints: BTreeSet<_> = answers.iter().map(|answer| answer.server).collect();
            assert_eq!(endpoints.len(), 1, "the lab's own session affinity");
        }
        expect::translations(&traces, case, answers, options);
    }
    let found: usize = traces.0.values().map(|trace| trace.exchanges().len()).sum();
    assert_eq!(found, exchanges, "exchanges in all traces");
}

#[test]
fn bridge_iptables() {
    check("bridge_iptables", Wiring::Bridge, ProxyMode::Iptables);
}

#[test]
fn bridge_nftables() {
    check("bridge_nftables", Wiring::Bridge, ProxyMode::Nftables);
}

#[test]
fn routed_iptables() {
    check("routed_iptables", Wiring::Routed, ProxyMode::Iptables);
}

#[test]
fn routed_nftables() {
    check("routed_nftables", Wiring::Routed, ProxyMode::Nftables);
}

#[test]
fn iptables_legacy_routed() {
    check(
        "iptables_legacy_routed",
        Wiring::Routed,
        ProxyMode::IptablesLegacy,
    );
}
