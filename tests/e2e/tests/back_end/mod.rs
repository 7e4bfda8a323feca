//! A back end of another project has every span that was sent, as it was sent.
//!
//! `cargo xtask test back-end` runs this, no other run does: it installs Arize Phoenix, which has more
//! than a hundred packages.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod phoenix;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
};

use hopspan_e2e::{Fixture, Kernel, NodeAgent, Outcome, Span, replay};
use hopspan_lab::{NodeOptions, skip};

use phoenix::Phoenix;

const DISPATCHES: u32 = 3;
/// Calls of a dispatch, each with a span of its client and one of its server.
const CALLS: usize = 13;
/// Phoenix keeps microseconds, and its API computes nanoseconds from seconds in floating point.
const CLOCK_ERROR_NS: u64 = 1_000;

#[test]
fn phoenix_has_every_span_of_two_nodes() {
    let test = "phoenix_has_every_span_of_two_nodes";
    if skip(test) || !Phoenix::is_installed(test) {
        return;
    }
    let agents = [NodeAgent::Right; 2];
    let mut fixture = Fixture::without_agents("back-end", NodeOptions::default(), 2).unwrap();
    let phoenix = Phoenix::start(&fixture).unwrap();
    fixture.export_to(phoenix.ip());
    fixture.start_recording_agents(&agents).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    let dispatches = hotrod.dispatch(DISPATCHES, 1).unwrap();
    assert!(dispatches.iter().all(|dispatch| dispatch.status == 200));
    hotrod.stop().unwrap();
    fixture.end().unwrap();
    let outcome = fixture.outcome().unwrap();
    let traces: BTreeSet<String> = dispatches.into_iter().map(|of| of.trace_id).collect();

    let sent = sent(&outcome);
    let application = traces.len() * 2 * CALLS;
    let all = phoenix.wait_for_spans(sent.len() + application).unwrap();
    phoenix.end().unwrap();
    // Not `println!`: the output of a test that passes is not shown.
    let _ = writeln!(
        io::stdout(),
        "\nPhoenix has {} spans; the agents sent {}, the application {application}",
        all.len(),
        sent.len()
    );
    // The viewer, to which fixtures export otherwise, has received none of them.
    assert_eq!(outcome.traces.spans(), 0);
    let stored: BTreeMap<String, &Span> = all.iter().map(|span| (id(span), span)).collect();
    assert_eq!(stored.len(), all.len(), "an id twice");
    for span in &sent {
        let found = stored.get(&id(span));
        assert_same(span, found.unwrap_or_else(|| panic!("no {span:#?}")));
    }
    let sent: BTreeSet<String> = sent.iter().map(id).collect();
    let others = stored.iter().filter(|(id, _)| !sent.contains(*id));
    let others: BTreeMap<String, &Span> = others.map(|(id, span)| (id.clone(), *span)).collect();
    assert_application(&others, &traces);
    assert_eq!(others.len(), application, "{others:#?}");
    for span in stored.values().filter(|span| !span.parent_id.is_empty()) {
        let parent = format!("{} {}", span.trace_id, span.parent_id);
        assert!(stored.contains_key(&parent), "no parent of {span:#?}");
    }
}

/// The spans that the agents exported, which are as many as they report.
fn sent(outcome: &Outcome) -> Vec<Span> {
    let mut all = Vec::new();
    for (node, report) in &outcome.reports {
        report.assert_all_attached(&Kernel::running());
        report.assert_nothing_lost();
        let spans = replay(node, &outcome.recordings[node]);
        let sent = report.number(&["export", "sent"]);
        assert_eq!(spans.len() as u64, sent, "spans of {node}");
        let _ = writeln!(
            io::stdout(),
            "\n{node} sent {sent} spans: {:?}",
            roles(&spans)
        );
        all.extend(spans);
    }
    all
}

/// The number of spans of each role.
fn roles(spans: &[Span]) -> BTreeMap<&str, usize> {
    let mut roles = BTreeMap::new();
    for span in spans {
        *roles.entry(span.role()).or_default() += 1;
    }
    roles
}

fn id(span: &Span) -> String {
    format!("{} {}", span.trace_id, span.span_id)
}

/// Checks that Phoenix has stored a span as it was sent.
fn assert_same(sent: &Span, stored: &Span) {
    let differ = || format!("sent {sent:#?}\nstored {stored:#?}");
    assert_eq!(sent.parent_id, stored.parent_id, "{}", differ());
    assert_eq!(sent.name, stored.name, "{}", differ());
    for [sent_ns, stored_ns] in [
        [sent.start_ns, stored.start_ns],
        [sent.end_ns, stored.end_ns],
    ] {
        let error_ns = sent_ns.abs_diff(stored_ns);
        assert!(error_ns <= CLOCK_ERROR_NS, "{error_ns} ns: {}", differ());
    }
    assert_eq!(sent.attributes, stored.attributes, "{}", differ());
    assert_eq!(sent.events, stored.events, "{}", differ());
    assert_eq!(sent.status, stored.status, "{}", differ());
}

/// Checks that there is a client's and a server's span of each call of the dispatches, and no other
/// span.
fn assert_application(spans: &BTreeMap<String, &Span>, traces: &BTreeSet<String>) {
    let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
    for span in spans.values() {
        assert!(traces.contains(&span.trace_id), "{span:#?}");
        // The frontend's and the client's spans of their calls have it, and no server's has.
        if span.attributes.contains_key("hotrod.answered_by") {
            *calls.entry(&span.trace_id).or_default() += 1;
        } else {
            let client = format!("{} {}", span.trace_id, span.parent_id);
            let client = spans.get(&client);
            let client = client.unwrap_or_else(|| panic!("no client's span of {span:#?}"));
            span.assert_within(client);
        }
    }
    let expected = traces.iter().map(|id| (id.as_str(), CALLS));
    assert_eq!(calls, expected.collect());
}
