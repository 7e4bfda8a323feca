//! A request while it is served: who has read it, and from when until when.
//!
//! In: an exchange, open or over. Out: what a connection that the same process opens meanwhile may be
//! for. Knows requests with a sampled trace context only, and only those that were seen to be read.

use std::sync::Arc;

use crate::flow::Ending;

use super::{
    exchange::{Asked, Exchange, Leg},
    trace_context::TraceContext,
};

/// A request that a process of this node serves, or has served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// As the request carries it.
    pub trace: TraceContext,
    /// What goes with it.
    pub tracestate: Option<Arc<str>>,
    /// Names the exchange within the trace, as [`Exchange::request_seq`].
    pub request_seq: u32,
    /// The process that has read it.
    pub tgid: Option<u32>,
    /// The cgroup of its socket; 0 when not known.
    pub cgroup: u64,
    /// When it was read, nanoseconds of `CLOCK_MONOTONIC`.
    pub from_ns: u64,
    /// When the answer was sent, or it became clear that none will be; `None` while it is served.
    pub until_ns: Option<u64>,
}

/// What is known of a request that was read.
#[derive(Clone, Copy, Debug)]
pub struct Serving<'e> {
    /// What was asked.
    pub asked: &'e Asked,
    /// Its way.
    pub request: &'e Leg,
    /// As [`Exchange::request_seq`].
    pub request_seq: u32,
    /// What was sent last in answer: the head of the response, or trailers.
    pub last: Option<&'e Leg>,
    /// How the connection has ended, where it has.
    pub ending: Option<Ending>,
}

impl Served {
    /// `None` for a request that carries no sampled context, or was not seen to be read.
    pub fn of(exchange: &Exchange) -> Option<Self> {
        Self::new(&Serving {
            asked: &exchange.asked,
            request: &exchange.request,
            request_seq: exchange.request_seq,
            last: exchange.trailers.as_ref().or(exchange.response.as_ref()),
            ending: exchange.ending,
        })
    }

    /// The same, of an exchange that is not complete.
    pub fn new(serving: &Serving<'_>) -> Option<Self> {
        let answered_ns = serving.last.map(Leg::first_start_ns);
        let ended_ns = serving.ending.map(|ending| ending.at_ns);
        Some(Self {
            trace: serving.asked.trace.sampled()?,
            tracestate: serving.asked.tracestate.clone(),
            request_seq: serving.request_seq,
            tgid: serving.request.reader,
            cgroup: serving.request.journey.receiver_cgroup,
            from_ns: serving.request.read_ns?,
            until_ns: answered_ns.or(ended_ns),
        })
    }

    /// Whether it was being served at that moment.
    pub fn at(&self, at_ns: u64) -> bool {
        self.from_ns <= at_ns && self.until_ns.is_none_or(|until_ns| at_ns < until_ns)
    }
}
