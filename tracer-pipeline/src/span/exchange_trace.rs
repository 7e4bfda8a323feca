//! The trace of an exchange's spans, and their place in it.
//!
//! In: an exchange. Out: the client's trace, by the context in the request; else the server's, by
//! `traceresponse` in the response. A trace of hopspan's own comes from
//! [`Untraced`](super::Untraced).
//!
//! Of a request without a trace context there is no span of a client. What the network did for it
//! stands below a root of its own, beside the server's span, which is a root too: in the server's
//! trace there are then several roots, and a link leads from this one to the server's span. Both
//! nodes of an exchange read the same response, so they agree on the trace.

use crate::http::{
    Exchange,
    trace_context::{ServerSpan, SpanId, TraceContext, TraceId},
};

use super::{Link, id::NO_SPAN};

const SAMPLED: u8 = 1;

/// The trace of an exchange's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeTrace {
    /// That of the request; the spans stand below the client's span.
    Client(TraceContext),
    /// That of the server, which has recorded this span. The spans stand below a root of their own.
    Server(ServerSpan),
    /// A trace that hopspan began. The spans stand below a root of their own.
    Own(TraceId),
}

impl ExchangeTrace {
    /// The trace that the request or its response names, if it is sampled.
    pub fn of(exchange: &Exchange) -> Option<Self> {
        let client = exchange.asked.trace.sampled().map(Self::Client);
        client.or_else(|| exchange.server_span().map(Self::Server))
    }

    /// The trace, with what span ids are derived from in place of the parent: a span that no other
    /// exchange of the trace has.
    pub(super) fn seed(self) -> TraceContext {
        let own = |trace_id, parent_id| TraceContext {
            trace_id,
            parent_id,
            flags: SAMPLED,
        };
        match self {
            Self::Client(context) => context,
            Self::Server(span) => own(span.trace_id, span.span_id),
            Self::Own(trace_id) => own(trace_id, NO_SPAN),
        }
    }

    /// The client's span; zero where it has none.
    pub(super) fn parent(self) -> SpanId {
        match self {
            Self::Client(context) => context.parent_id,
            Self::Server(_) | Self::Own(_) => NO_SPAN,
        }
    }

    /// The link of the root to the server's span.
    pub(super) fn link(self) -> Option<Link> {
        match self {
            Self::Server(span) => Some(Link {
                trace_id: span.trace_id,
                trace_state: None,
                span_id: span.span_id,
            }),
            Self::Client(_) | Self::Own(_) => None,
        }
    }
}
