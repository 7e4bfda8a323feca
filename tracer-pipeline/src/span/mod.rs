//! Exchanges to spans, and connects that failed.
//!
//! In: an exchange, the paths of its messages, the clocks, the rules. Out: `Span`s under the
//! client's own span. In: a connect that failed, and what it was probably for. Out: its spans there,
//! or in a trace of their own. Knows OpenTelemetry's names; knows nothing of OTLP.

mod attribute;
mod clock;
mod context;
mod detail;
mod edge;
mod exchange;
mod failed_connect;
mod failed_connect_limit;
mod failures;
mod half;
mod http_attributes;
mod id;
mod nat;
mod parties;
mod paths;
mod span_builder;
mod span_source;
mod tcp_events;
mod untraced;

use std::{borrow::Cow, sync::Arc};

use crate::http::trace_context::{SpanId, TraceId};

pub use attribute::{Attribute, Value};
pub use clock::Clock;
pub use context::Context;
pub use detail::{Detail, NotADetail};
pub use edge::{Edge, EdgeEnd};
pub use exchange::Traced;
pub use failed_connect::spans as failed_connect_spans;
pub use failed_connect_limit::FailedConnectLimit;
pub use failures::{Failure, Failures};
pub use parties::sides;
pub use span_source::SpanSource;
pub use untraced::Untraced;

/// A finished span. Its kind is INTERNAL.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The application's trace.
    pub trace_id: TraceId,
    /// W3C's `tracestate`, as the client's span has it.
    pub trace_state: Option<Arc<str>>,
    /// Derived: the same exchange gives the same id wherever and however often it is made.
    pub span_id: SpanId,
    /// The client's span, or another span of this exchange.
    pub parent_id: SpanId,
    /// Of low cardinality.
    pub name: Cow<'static, str>,
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub start_unix_ns: u64,
    /// Nanoseconds since 1970-01-01 00:00 UTC, never before the start.
    pub end_unix_ns: u64,
    /// Of the semantic conventions, or `hopspan.*`.
    pub attributes: Vec<Attribute>,
    /// Moments within the span.
    pub events: Vec<Event>,
    /// Spans of other traces, or of this one, that may have to do with it.
    pub links: Vec<Link>,
    /// Why the status is an error, where it is one.
    pub error: Option<Cow<'static, str>>,
}

/// A span that another one may have to do with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its trace.
    pub trace_id: TraceId,
    /// W3C's `tracestate` there.
    pub trace_state: Option<Arc<str>>,
    /// Itself.
    pub span_id: SpanId,
}

/// A moment within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened.
    pub name: &'static str,
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub at_unix_ns: u64,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
}
