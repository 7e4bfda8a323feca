//! A request while a process serves it: which process, from when until when.
//!
//! In: an exchange, open or over. Out: the request that a connection opened by the same process in
//! that time may belong to. Only requests with a sampled trace context whose read was seen.

use std::sync::Arc;

use crate::flow::Ending;

use super::{
    exchange::{Asked, Exchange, Leg},
    trace_context::TraceContext,
};

/// A request that a process of this node serves, or has served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The request's trace context.
    pub trace: TraceContext,
    /// The `tracestate` of the trace context.
    pub tracestate: Option<Arc<str>>,
    /// Identifies the exchange within the trace, as [`Exchange::request_seq`].
    pub request_seq: u32,
    /// The process that read the request.
    pub tgid: Option<u32>,
    /// The cgroup id of the process's socket; 0 when unknown.
    pub cgroup: u64,
    /// When the request was read, nanoseconds of `CLOCK_MONOTONIC`.
    pub from_ns: u64,
    /// When the response was sent, or the connection ended without one; `None` while the request is
    /// served.
    pub until_ns: Option<u64>,
}

/// A request that may have been read, from an exchange that may be incomplete.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest<'e> {
    /// The request.
    pub asked: &'e Asked,
    /// The request's journey.
    pub request: &'e Leg,
    /// As [`Exchange::request_seq`].
    pub request_seq: u32,
    /// The last message of the response: its head, or its trailers.
    pub last: Option<&'e Leg>,
    /// How the connection ended, if it has.
    pub ending: Option<Ending>,
}

impl Served {
    /// `None` for a request without a sampled context, or whose read was not seen.
    pub fn of(exchange: &Exchange) -> Option<Self> {
        Self::new(&ReadRequest {
            asked: &exchange.asked,
            request: &exchange.request,
            request_seq: exchange.request_seq,
            last: exchange.last_of_response(),
            ending: exchange.ending,
        })
    }

    /// The same for an incomplete exchange.
    pub fn new(read: &ReadRequest<'_>) -> Option<Self> {
        let answered_ns = read.last.map(Leg::first_start_ns);
        let ended_ns = read.ending.map(|ending| ending.at_ns);
        Some(Self {
            trace: read.asked.trace.sampled()?,
            tracestate: read.asked.tracestate.clone(),
            request_seq: read.request_seq,
            tgid: read.request.reader,
            cgroup: read.request.journey.receiver_cgroup,
            from_ns: read.request.read_ns?,
            until_ns: answered_ns.or(ended_ns),
        })
    }

    /// Whether the request was being served at `at_ns`.
    pub fn at(&self, at_ns: u64) -> bool {
        self.from_ns <= at_ns && self.until_ns.is_none_or(|until_ns| at_ns < until_ns)
    }
}
