//! What Jaeger warns of (jaeger 2, cmd/query/app/querysvc/adjuster and internal/sanitizer): duplicate
//! ids, spans without a length, and children of another host outside of their parent.

use std::collections::HashMap;

use crate::{Span, Trace};

/// A warning on a span.
#[derive(Debug)]
pub(super) enum Warning<'t> {
    /// "duplicate span IDs".
    SameId(#[expect(dead_code, reason = "shown")] &'t Span),
    /// "negative duration": also of none.
    NoLength(#[expect(dead_code, reason = "shown")] &'t Span),
    /// "clock skew": a child of another host is outside of its parent, and would be moved.
    Skew(#[expect(dead_code, reason = "shown")] &'t Span),
}

impl Warning<'_> {
    pub(super) fn is_of_clocks(&self) -> bool {
        matches!(self, Self::Skew(_))
    }
}

pub(super) fn warnings(trace: &Trace) -> Vec<Warning<'_>> {
    let mut warnings = Vec::new();
    let mut by_id: HashMap<&str, &Span> = HashMap::new();
    for span in &trace.spans {
        if by_id.insert(&span.span_id, span).is_some() {
            warnings.push(Warning::SameId(span));
        }
        if span.end_ns <= span.start_ns {
            warnings.push(Warning::NoLength(span));
        }
    }
    let is_hopspan = |span: &&Span| span.scope == tracer_semconv::scope::NAME;
    for span in trace.spans.iter().filter(is_hopspan) {
        if let Some(parent) = by_id.get(span.parent_id.as_str())
            && host(parent) != host(span)
            && is_moved(span, parent)
        {
            warnings.push(Warning::Skew(span));
        }
    }
    warnings
}

/// The key by which hosts are compared: `host.id`, else the name.
fn host(span: &Span) -> Option<&String> {
    let resource = &span.resource;
    resource
        .get("host.id")
        .or_else(|| resource.get("host.name"))
}

/// Longer than its parent a child is moved only if it starts before; else if it is not within.
fn is_moved(child: &Span, parent: &Span) -> bool {
    let length = |span: &Span| span.end_ns - span.start_ns;
    if length(child) > length(parent) {
        return child.start_ns < parent.start_ns;
    }
    !child.is_within(parent)
}
