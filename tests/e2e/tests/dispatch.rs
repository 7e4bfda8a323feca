//! The application's traffic: every exchange between pods has its spans below the right parent.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use hopspan_e2e::{Fixture, Kernel, Truth, assert_exchanges, seen};
use hopspan_lab::{NodeOptions, Wiring, hotrod::Dispatch};

fn trace_ids(dispatches: &[Dispatch]) -> Vec<String> {
    dispatches
        .iter()
        .map(|dispatch| dispatch.trace_id.clone())
        .collect()
}

/// Runs dispatches, checks all of their spans, and returns the viewer's page.
fn check(label: &str, wiring: Wiring, requests: u32, concurrency: u32) -> String {
    let options = NodeOptions {
        wiring,
        ..NodeOptions::default()
    };
    let mut fixture = Fixture::start_on(label, options, &[]).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    let truth = Truth::of(&hotrod, wiring);
    let dispatches = hotrod.dispatch(requests, concurrency).unwrap();
    assert!(dispatches.iter().all(|dispatch| dispatch.status == 200));
    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    println!("{}", seen(&outcome));
    outcome.report().assert_all_attached(&Kernel::running());
    outcome.report().assert_nothing_lost();
    assert_exchanges(&outcome.traces, &trace_ids(&dispatches), &truth);
    outcome.page
}

#[test]
fn one_dispatch() {
    if hopspan_lab::skip("one_dispatch") {
        return;
    }
    let page = check("one", Wiring::Bridge, 1, 1);
    for text in ["━ request", "KUBE-SVC-", "frontend → route", "10 calls"] {
        assert!(page.contains(text), "no {text:?} on the page:\n{page}");
    }
}

#[test]
fn dispatches_between_routed_pods() {
    if hopspan_lab::skip("dispatches_between_routed_pods") {
        return;
    }
    check("routed", Wiring::Routed, 20, 4);
}

#[test]
fn a_thousand_dispatches_eight_at_a_time() {
    if hopspan_lab::skip("a_thousand_dispatches_eight_at_a_time") {
        return;
    }
    check("thousand", Wiring::Bridge, 1_000, 8);
}
