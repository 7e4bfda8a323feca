//! B3, Zipkin's format (<https://github.com/openzipkin/b3-propagation>), in both encodings. In:
//! `b3`, `x-b3-traceid`, `x-b3-spanid`, `x-b3-sampled`, `x-b3-flags`. Out: a context, or the
//! decision not to trace a request that names no trace.
//!
//! The span id is the caller's span. The parent span id is the caller's own parent, sent because a
//! B3 server may report under its caller's id; within `b3` it is checked, and `x-b3-parentspanid`
//! is not read.

use super::{
    SAMPLED, TraceContext,
    field::Field,
    id::{Letters, SpanId, TraceId, exact, padded},
};

#[cfg(test)]
mod tests;

/// The sampling states of the specification. *Debug* is an accept that collectors should not drop;
/// it concerns only the reporter of the span itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sampling {
    Defer,
    Deny,
    Accept,
}

/// The content of one of the encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum B3Value {
    Context(TraceContext),
    /// A decision without ids.
    Decision(Sampling),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct B3 {
    single: Field<B3Value>,
    trace_id: Field<TraceId>,
    span_id: Field<SpanId>,
    sampled: Field<Sampling>,
    /// Whether the flags are `1`. The specification defines no other flag; other values are
    /// ignored.
    debug: Field<bool>,
}

impl B3 {
    /// `b3`. The specification has no rule for a repeated single header. The first counts, as for the
    /// multiple headers and in OpenTelemetry's propagators.
    pub(super) fn read_single(&mut self, value: &[u8]) {
        self.single.first(parse_single(value));
    }

    /// `x-b3-traceid`. For the multiple headers "the first value wins" (the specification).
    pub(super) fn read_trace_id(&mut self, value: &[u8]) {
        self.trace_id.first(parse_trace_id(value));
    }

    /// `x-b3-spanid`.
    pub(super) fn read_span_id(&mut self, value: &[u8]) {
        self.span_id.first(parse_span_id(value));
    }

    /// `x-b3-sampled`.
    pub(super) fn read_sampled(&mut self, value: &[u8]) {
        self.sampled.first(parse_sampled(value));
    }

    /// `x-b3-flags`.
    pub(super) fn read_flags(&mut self, value: &[u8]) {
        self.debug.first(Some(value == b"1"));
    }

    pub(super) fn context(&self) -> Field<TraceContext> {
        match self.message() {
            Field::Value(B3Value::Context(context)) => Field::Value(context),
            Field::Value(B3Value::Decision(_)) | Field::Absent => Field::Absent,
            Field::Malformed => Field::Malformed,
        }
    }

    /// Whether the caller names no trace and decided that there shall be none.
    pub(super) fn denied(&self) -> bool {
        self.message() == Field::Value(B3Value::Decision(Sampling::Deny))
    }

    /// The single header takes precedence, also when all it holds is a decision. When it is
    /// malformed the others are read, as Zipkin's and OpenTelemetry's libraries do.
    fn message(&self) -> Field<B3Value> {
        self.single.or(self.multi())
    }

    fn multi(&self) -> Field<B3Value> {
        let sampling = match (self.debug, self.sampled) {
            // Debug implies accept, whatever `x-b3-sampled` is.
            (Field::Value(true), _) => Sampling::Accept,
            (_, Field::Value(sampling)) => sampling,
            (_, Field::Absent) => Sampling::Defer,
            (_, Field::Malformed) => return Field::Malformed,
        };
        match (self.trace_id, self.span_id) {
            (Field::Value(trace_id), Field::Value(span_id)) => {
                Field::Value(B3Value::Context(context(trace_id, span_id, sampling)))
            }
            (Field::Absent, Field::Absent) if sampling == Sampling::Defer => Field::Absent,
            (Field::Absent, Field::Absent) => Field::Value(B3Value::Decision(sampling)),
            _ => Field::Malformed,
        }
    }
}

/// *Defer* leaves the sampled flag clear. The receiver decides, and its decision is not in this
/// head. The caller "should not report a span" under this id "unless they propagate an accept
/// sampling decision", so the parent of our spans would never be exported. OpenTelemetry's
/// propagators clear the flag too.
fn context(trace_id: TraceId, parent_id: SpanId, sampling: Sampling) -> TraceContext {
    TraceContext {
        trace_id,
        parent_id,
        flags: match sampling {
            Sampling::Accept => SAMPLED,
            Sampling::Defer | Sampling::Deny => 0,
        },
    }
}

/// `{TraceId}-{SpanId}-{SamplingState}-{ParentSpanId}`, where the last two are optional, or the
/// sampling state alone.
fn parse_single(value: &[u8]) -> Option<B3Value> {
    if let Some(sampling) = parse_state(value) {
        return Some(B3Value::Decision(sampling));
    }
    let mut fields = value.split(|byte| *byte == b'-');
    let trace_id = parse_trace_id(fields.next()?)?;
    let span_id = parse_span_id(fields.next()?)?;
    let sampling = match fields.next() {
        Some(state) => parse_state(state)?,
        None => Sampling::Defer,
    };
    if let Some(parent) = fields.next() {
        // Any digits are valid: some senders write zeros for a root span.
        exact::<8>(parent)?;
    }
    let ended = fields.next().is_none();
    ended.then_some(B3Value::Context(context(trace_id, span_id, sampling)))
}

/// The sampling state of the single header.
fn parse_state(state: &[u8]) -> Option<Sampling> {
    match state {
        b"0" => Some(Sampling::Deny),
        b"1" | b"d" => Some(Sampling::Accept),
        _ => None,
    }
}

/// `x-b3-sampled`. The specification allows receivers to accept the older words `true` and `false`.
fn parse_sampled(value: &[u8]) -> Option<Sampling> {
    if value == b"1" || value.eq_ignore_ascii_case(b"true") {
        Some(Sampling::Accept)
    } else if value == b"0" || value.eq_ignore_ascii_case(b"false") {
        Some(Sampling::Deny)
    } else {
        None
    }
}

/// 16 or 32 digits in lower case; 16 digits are the low half of the id.
fn parse_trace_id(digits: &[u8]) -> Option<TraceId> {
    match digits.len() {
        16 | 32 => TraceId::valid(padded(digits, Letters::Lower)?),
        _ => None,
    }
}

/// 16 digits in lower case.
fn parse_span_id(digits: &[u8]) -> Option<SpanId> {
    SpanId::valid(exact(digits)?)
}
