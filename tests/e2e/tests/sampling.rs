//! Requests without a sampled trace context have no spans.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::{Fixture, Trace, Traces};

const DEADLINE: Duration = Duration::from_secs(30);

/// The trace context of another application, with this flags byte.
fn traceparent(flags: &str) -> String {
    format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}")
}

/// Runs one dispatch. `arguments` set the trace context of its request to frontend.
fn dispatch(label: &str, arguments: &[&str]) -> Traces {
    let mut fixture = Fixture::start(label).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    hotrod
        .client_command(1, 1)
        .args(arguments)
        .run(DEADLINE)
        .unwrap();
    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    outcome.report().assert_nothing_lost();
    let seen = outcome.report().requests();
    assert!(seen >= 12, "{seen} requests were seen");
    outcome.traces
}

/// The number of exchanges with frontend: those of the client's own request.
fn exchanges_with_frontend(traces: &Traces) -> usize {
    traces
        .0
        .values()
        .flat_map(Trace::exchanges)
        .filter(|exchange| exchange.attribute("url.path") == "/dispatch")
        .count()
}

#[test]
fn a_sampled_context_makes_spans() {
    if hopspan_lab::skip("a_sampled_context_makes_spans") {
        return;
    }
    let traces = dispatch("sampled", &["--traceparent", &traceparent("01")]);
    assert_eq!(exchanges_with_frontend(&traces), 1);
}

#[test]
fn flag_00_makes_no_spans_anywhere() {
    if hopspan_lab::skip("flag_00_makes_no_spans_anywhere") {
        return;
    }
    let traces = dispatch("unsampled", &["--traceparent", &traceparent("00")]);
    assert_eq!(traces.spans(), 0);
}

/// Frontend begins a trace of its own then: its calls are traced, the request to it is not.
#[test]
fn no_context_and_a_malformed_one_make_no_spans() {
    if hopspan_lab::skip("no_context_and_a_malformed_one_make_no_spans") {
        return;
    }
    let none = dispatch("untraced", &["--no-trace"]);
    assert_eq!(exchanges_with_frontend(&none), 0);
    for malformed in [
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    ] {
        let traces = dispatch("malformed", &["--traceparent", malformed]);
        assert_eq!(exchanges_with_frontend(&traces), 0, "{malformed}");
    }
}
