//! Builds spans from exchanges and failed connects.
//!
//! In: an exchange with its journeys; the clocks, rules, devices and names. Out: [`Span`]s under
//! the client's own span, beside the server's. In: a failed connect, and the request it probably belongs to. Out: its
//! spans in that request's trace, or in a trace of their own. Knows OpenTelemetry's names; knows no
//! OTLP.

mod attribute;
mod called_service;
mod clock;
mod context;
mod detail;
mod detail_choice;
mod edge;
mod edge_label;
mod edge_metrics;
mod exchange;
mod exchange_times;
mod exchange_trace;
mod failed_connect;
mod failed_connect_limit;
mod failures;
mod half;
mod histogram;
mod http_attributes;
mod id;
mod named_exchange;
mod nat;
mod parties;
mod paths;
mod rate_limit;
mod request_result;
mod running_quantile;
mod series_table;
mod service_name;
mod span_builder;
mod span_source;
mod summarize;
mod summary;
mod tcp_events;
mod untraced;

use std::{borrow::Cow, sync::Arc};

use crate::http::trace_context::{SpanId, TraceId};

pub use attribute::{Attribute, Value};
pub use clock::Clock;
pub use context::Context;
pub use detail::{Detail, NotADetail};
pub use detail_choice::{BASELINE, DetailChoice};
pub use edge::{Edge, EdgeEnd};
pub use edge_label::EdgeLabel;
pub use edge_metrics::{EdgeKey, EdgeMetrics, EdgeSnapshot, EdgeTimes, HopTimes, Measured};
pub use exchange_trace::ExchangeTrace;
pub use failed_connect::NamedConnect;
pub use failed_connect_limit::FailedConnectLimit;
pub use failures::{Failure, Failures};
pub use histogram::{Exemplar, ExportedSpan, Histogram};
pub use named_exchange::NamedExchange;
pub use parties::sides;
pub use request_result::RequestResult;
pub use service_name::{NotAServiceName, ServiceName};
pub use span_source::SpanSource;
pub use summary::{
    Summary, SummaryDrop, SummaryEnd, SummaryHop, SummaryKind, SummaryNat, SummaryPath,
    SummaryRule, is_elsewhere,
};
pub use untraced::Untraced;

/// A finished span. Its kind is INTERNAL.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The application's trace.
    pub trace_id: TraceId,
    /// W3C `tracestate` of the request.
    pub trace_state: Option<Arc<str>>,
    /// Derived from the exchange and the node: the same at each replay, and no two spans' of a
    /// trace, whatever number of nodes saw it.
    pub span_id: SpanId,
    /// The client's span, or another span of this exchange; zero for a root.
    pub parent_id: SpanId,
    /// Name of low cardinality.
    pub name: Cow<'static, str>,
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub start_unix_ns: u64,
    /// Nanoseconds since 1970-01-01 00:00 UTC, after the start.
    pub end_unix_ns: u64,
    /// Attributes of the semantic conventions, or `hopspan.*`.
    pub attributes: Vec<Attribute>,
    /// Timed events within the span.
    pub events: Vec<Event>,
    /// Related spans, of this trace or of others.
    pub links: Vec<Link>,
    /// The status description, where the status is an error.
    pub error: Option<Cow<'static, str>>,
    /// The workload under whose name it is exported; `None` for the agent's own.
    pub workload: Option<Arc<str>>,
}

/// A link to a related span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The linked span's trace.
    pub trace_id: TraceId,
    /// W3C `tracestate` of that trace.
    pub trace_state: Option<Arc<str>>,
    /// The linked span.
    pub span_id: SpanId,
}

/// A timed event within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Name of the event.
    pub name: &'static str,
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub at_unix_ns: u64,
    /// Attributes of the event.
    pub attributes: Vec<Attribute>,
}
