//! How much of the queue spans take.

use tracer_pipeline::span::{Attribute, Span, Value};

use super::limits::Limits;

/// Spans, and the memory that they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) spans: usize,
    pub(super) bytes: usize,
}

impl Size {
    pub(super) fn of(spans: &[Span]) -> Self {
        Self {
            spans: spans.len(),
            bytes: spans.iter().map(bytes).sum(),
        }
    }

    /// One number for both, in bytes: the bound on spans and the bound on bytes count alike, and the one
    /// decides of which the larger part is taken.
    pub(super) fn weight(self) -> usize {
        let of_spans = self.spans.saturating_mul(Limits::BYTES_PER_SPAN);
        of_spans.max(self.bytes)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.spans += other.spans;
        self.bytes += other.bytes;
    }

    pub(super) fn subtract(&mut self, other: Self) {
        self.spans -= other.spans;
        self.bytes -= other.bytes;
    }
}

/// The memory of a span, without what the allocator adds.
fn bytes(span: &Span) -> usize {
    let links = span.links.iter();
    let states = links.map(|link| link.trace_state.as_ref().map_or(0, |list| list.len()));
    let events = span.events.iter();
    size_of::<Span>()
        + span.name.len()
        + span.trace_state.as_ref().map_or(0, |list| list.len())
        + span.error.as_ref().map_or(0, |error| error.len())
        + of_attributes(&span.attributes)
        + events
            .map(|event| size_of_val(event) + of_attributes(&event.attributes))
            .sum::<usize>()
        + size_of_val(&*span.links)
        + states.sum::<usize>()
}

fn of_attributes(attributes: &[Attribute]) -> usize {
    let texts = attributes.iter().map(|attribute| match &attribute.value {
        Value::Text(text) => text.len(),
        // Shared with other spans, but perhaps only with those in the queue.
        Value::Shared(text) => text.len(),
        Value::Bool(_) | Value::Int(_) => 0,
    });
    size_of_val(attributes) + texts.sum::<usize>()
}
