//! What back ends do with a trace, by their documented behaviour.
//!
//! In: a trace as the agents and the application sent it. Out: a failed test where a back end would
//! lose a span, warn of one, or show another critical path than without hopspan.

mod critical_path;
mod jaeger;

use std::collections::HashSet;

use crate::{Span, Trace};

use critical_path::critical_path;

/// Whose clock an agent of a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// All have the same.
    Agree,
    /// That of one node is off: what its agent sends may be outside of the client's span.
    Differ,
}

/// Checks a trace by the rules of Tempo and Jaeger.
///
/// # Panics
/// When one of them would not show it as it is.
pub fn assert_shown(trace: &Trace, clocks: Clocks) {
    // Tempo keeps one of the spans with the same id and kind (pkg/model/trace, Combiner).
    let mut kept = HashSet::new();
    for span in &trace.spans {
        let key = (&span.span_id, span.kind);
        assert!(kept.insert(key), "Tempo drops {span:#?}");
    }
    for warning in jaeger::warnings(trace) {
        let is_expected = clocks == Clocks::Differ && warning.is_of_clocks();
        assert!(is_expected, "Jaeger: {warning:?}");
    }
    assert_path_unchanged(trace);
}

/// Checks that each span of the application that would be on the critical path without hopspan is on
/// it, and that what is new there is hopspan's.
fn assert_path_unchanged(trace: &Trace) {
    let is_application = |span: &&Span| span.scope != tracer_semconv::scope::NAME;
    let application: Vec<&Span> = trace.spans.iter().filter(is_application).collect();
    let all: Vec<&Span> = trace.spans.iter().collect();
    let without = critical_path(&application);
    let with = critical_path(&all);
    for span in without {
        assert!(
            with.iter().any(|on_path| on_path.span_id == span.span_id),
            "hopspan takes {} {} off the critical path: {:#?}",
            span.name,
            span.span_id,
            with.iter().map(|span| &span.name).collect::<Vec<_>>()
        );
    }
}
